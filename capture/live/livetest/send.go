package livetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many frames one system call sends.
const batchSize = 64

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

type batch struct {
	messages [batchSize]message
	parts    [batchSize]unix.Iovec
}

// Send sends frames as fast as the kernel takes them. Where its queues are full, frames may be lost: [Cable.Deliver] takes
// care that none is.
func (c *Cable) Send(frames ...[]byte) error {
	for len(frames) > 0 {
		n := min(batchSize, len(frames))
		for i, f := range frames[:n] {
			b := &c.batch
			b.parts[i].Base = &f[0]
			b.parts[i].SetLen(len(f))
			b.messages[i].header = unix.Msghdr{Iov: &b.parts[i]}
			b.messages[i].header.SetIovlen(1)
		}
		sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(c.socket), uintptr(unsafe.Pointer(&c.batch.messages[0])), uintptr(n), 0, 0, 0)
		switch {
		case errno == unix.ENOBUFS || errno == unix.EAGAIN || errno == unix.EINTR:
			runtime.Gosched()
			continue
		case errno != 0:
			return fmt.Errorf("livetest: send %d bytes: %w", len(frames[0]), errno)
		}
		c.sent += uint64(sent)
		frames = frames[sent:]
	}
	return nil
}

// SendMerged sends TCP segments over IPv4 that follow each other as one frame, as a network card hands them over that
// merges what it receives. All but the last have segment bytes of data; header is how long Ethernet, IP and TCP headers
// are together.
func (c *Cable) SendMerged(frame []byte, header, segment int) error {
	if len(frame) <= header+segment {
		return errors.New("livetest: one segment is nothing to merge")
	}
	// struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset.
	var head [10]byte
	head[0], head[1] = 1, 1 // needs a checksum, TCP over IPv4
	binary.NativeEndian.PutUint16(head[2:], uint16(header))
	binary.NativeEndian.PutUint16(head[4:], uint16(segment))
	binary.NativeEndian.PutUint16(head[6:], 34)
	binary.NativeEndian.PutUint16(head[8:], 16)
	if _, err := unix.Write(c.merged, append(head[:], frame...)); err != nil {
		return fmt.Errorf("livetest: send a merged frame of %d bytes: %w", len(frame), err)
	}
	c.sent++
	return nil
}
