package bpf

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// AttachXDP counts and filters at an interface, in its driver (native) or in the kernel's receive path. What does not pass
// is dropped and reaches nobody: it is for interfaces without address and route, on which only mirrored traffic arrives. The
// program stays until the result is closed, or the process ends.
func (o *Objects) AttachXDP(ifindex int, native bool) (io.Closer, error) {
	program := o.programs[kernelProgXdp]
	if program == nil {
		return nil, errors.New("bpf: the program was not loaded by this process")
	}
	flags := link.XDPGenericMode
	if native {
		flags = link.XDPDriverMode
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: ifindex, Flags: flags})
	if err != nil {
		return nil, fmt.Errorf("%w: XDP: %w", ErrUnsupported, err)
	}
	return l, nil
}

// AttachFilter counts and filters what a packet socket receives; other receivers are not touched.
func (o *Objects) AttachFilter(socket int) error {
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, o.Filter()); err != nil {
		return fmt.Errorf("%w: socket filter: %w", ErrUnsupported, err)
	}
	return nil
}

// Filter is the descriptor of the socket filter, for SO_ATTACH_BPF; -1 where only tables are there.
func (o *Objects) Filter() int { return o.fd(kernelProgFilter) }

// Spread is the descriptor of the program that chooses the socket of a group, for PACKET_FANOUT_DATA; -1 likewise.
func (o *Objects) Spread() int { return o.fd(kernelProgSpread) }

func (o *Objects) fd(program string) int {
	if p := o.programs[program]; p != nil {
		return p.FD()
	}
	return -1
}
