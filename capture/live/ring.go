package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture"
)

const (
	// vlanRoom is left before each frame, where a VLAN tag that the kernel took out is put back.
	vlanRoom = 8
	vlanSize = 4
)

// ring is one packet socket with its mapped memory. next and its callers belong to the source's goroutine.
type ring struct {
	file   *os.File
	fd     int
	memory []byte
	blocks int
	iface  uint16
	mtu    int
	snap   int

	block  int // the one being read, or the next to come
	open   bool
	left   uint32 // frames of the open block not given yet
	offset uint32 // of the next frame in the block

	gone   time.Time   // when the interface vanished; guarded by the source's lock
	buried atomic.Bool // closed: its counters are final

	truncated, merged atomic.Uint64
	received, dropped atomic.Uint64 // as of the last look
	freezes           atomic.Uint64
}

// newRing prepares an unbound packet socket and binds it to an interface. It receives nothing until it is admitted.
func newRing(file *os.File, index int, c *Config) (*ring, error) {
	r := &ring{file: file, fd: int(file.Fd()), blocks: c.RingBytes / blockSize, snap: c.Snap}
	fail := func(what string, err error) (*ring, error) {
		return nil, errors.Join(fmt.Errorf("capture: %s: %w", what, err), r.close())
	}
	if err := unix.SetNonblock(r.fd, true); err != nil { // File.Fd made it blocking
		return fail("packet socket", err)
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fail("ring version 3", err)
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_RESERVE, vlanRoom); err != nil {
		return fail("reserve room", err)
	}
	// Hardware time stamps where the card makes them; the kernel's own otherwise.
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_TIMESTAMP, unix.SOF_TIMESTAMPING_RAW_HARDWARE); err != nil {
		return fail("time stamps", err)
	}
	request := unix.TpacketReq3{
		Block_size: blockSize, Block_nr: uint32(r.blocks), Frame_size: 2048, Frame_nr: uint32(r.blocks * blockSize / 2048),
		Retire_blk_tov: uint32(retire / time.Millisecond),
	}
	if err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return fail(fmt.Sprintf("ring of %d MiB", c.RingBytes>>20), err)
	}
	var err error
	if r.memory, err = unix.Mmap(r.fd, 0, c.RingBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fail("map the ring", err)
	}
	// Until all rings of the interface share its traffic, nothing may come: it would come to each of them.
	if err := setProgram(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, nothing); err != nil {
		return fail("filter", err)
	}
	// What this host sends itself is not what the port mirrors. Kernels before 4.20 cannot tell, and next passes it over.
	_ = unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	if err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: bits.ReverseBytes16(unix.ETH_P_ALL), Ifindex: index}); err != nil {
		return fail("bind to the interface", err)
	}
	if c.Promiscuous {
		if err := unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}); err != nil {
			return fail("promiscuous mode", err)
		}
	}
	return r, nil
}

// admit lets packets in: what the filter decides, or everything where there is none.
func (r *ring) admit(filter *os.File) error {
	err := setProgram(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, upTo(r.snap))
	if filter != nil {
		err = unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, int(filter.Fd()))
	}
	if err != nil {
		return fmt.Errorf("capture: attach the filter: %w", err)
	}
	return nil
}

// refuse lets no more packets in.
func (r *ring) refuse() error {
	if err := setProgram(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, nothing); err != nil {
		return fmt.Errorf("capture: detach the filter: %w", err)
	}
	return nil
}

func (r *ring) close() error {
	var err error
	if r.memory != nil {
		err = unix.Munmap(r.memory)
		r.memory = nil
	}
	r.buried.Store(true)
	return errors.Join(err, r.file.Close())
}

// status of a block: the kernel's, or ours to read.
func (r *ring) status() *uint32 {
	return (*uint32)(unsafe.Pointer(&r.memory[r.block*blockSize+8])) // after version and offset_to_priv
}

// next fills f with the next frame, if there is one already.
func (r *ring) next(f *capture.Frame) bool {
	for {
		if !r.open {
			if atomic.LoadUint32(r.status())&unix.TP_STATUS_USER == 0 {
				return false
			}
			b := r.memory[r.block*blockSize:]
			// struct tpacket_hdr_v1: block_status, num_pkts, offset_to_first_pkt.
			r.left, r.offset, r.open = binary.NativeEndian.Uint32(b[12:]), binary.NativeEndian.Uint32(b[16:]), true
		}
		if r.left == 0 {
			r.release()
			continue
		}
		if r.frame(f) {
			return true
		}
	}
}

// gathering tells whether the kernel has put frames into the block that comes next.
func (r *ring) gathering() bool {
	b := r.memory[r.block*blockSize:]
	return !r.open && atomic.LoadUint32((*uint32)(unsafe.Pointer(&b[12]))) != 0 // num_pkts
}

// release gives the open block back to the kernel.
func (r *ring) release() {
	// The kernel does the same when it takes the block, which may be later; see gathering.
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&r.memory[r.block*blockSize+12])), 0)
	atomic.StoreUint32(r.status(), unix.TP_STATUS_KERNEL)
	r.block = (r.block + 1) % r.blocks
	r.open = false
}

// frame gives the next frame of the open block; false for one that this host sent.
func (r *ring) frame(f *capture.Frame) bool {
	b := r.memory[r.block*blockSize+int(r.offset) : (r.block+1)*blockSize]
	h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&b[0]))
	r.left--
	r.offset += h.Next_offset
	address := b[(unsafe.Sizeof(*h)+15)&^15:] // struct sockaddr_ll, of which sll_pkttype is byte 10
	if address[10] == unix.PACKET_OUTGOING {
		return false
	}
	start, length, wire := int(h.Mac), int(h.Snaplen), int(h.Len)
	data := b[start : start+length]
	if h.Status&unix.TP_STATUS_VLAN_VALID != 0 && length >= 12 {
		data = b[start-vlanSize : start+length]
		copy(data[:12], data[vlanSize:])
		kind := uint16(unix.ETH_P_8021Q)
		if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			kind = h.Hv1.Vlan_tpid
		}
		binary.BigEndian.PutUint16(data[12:], kind)
		binary.BigEndian.PutUint16(data[14:], uint16(h.Hv1.Vlan_tci))
		wire += vlanSize
	}
	if len(data) > r.snap {
		data = data[:r.snap]
	}
	if len(data) < wire {
		r.truncated.Add(1)
	}
	if r.mtu > 0 && wire > r.mtu+14+2*vlanSize {
		r.merged.Add(1)
	}
	f.Time = time.Unix(int64(h.Sec), int64(h.Nsec)).UTC()
	f.Data, f.WireLength, f.Link, f.Source = data, wire, capture.LinkEthernet, r.iface
	return true
}

// look adds what the socket counted since the last look; reading the counters resets them.
func (r *ring) look() {
	s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return
	}
	// Packets counts the dropped ones too.
	r.received.Add(uint64(s.Packets - s.Drops))
	r.dropped.Add(uint64(s.Drops))
	r.freezes.Add(uint64(s.Freeze_q_cnt))
}
