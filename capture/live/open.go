package live

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Request asks an [Opener] for what needs privileges.
type Request struct {
	Interface string
	Index     int // of the interface
	Sockets   int
	Mode      Mode
	TCP, UDP  []uint16
	Flows     int
	First     uint32
	Snap      int
}

// Grant is what an [Opener] gives. The receiver owns the files; XDP stays attached until Close.
type Grant struct {
	Sockets  []*os.File // packet sockets that are not bound yet, and so receive nothing
	Filter   *os.File   // a socket filter program; nil in other modes
	Spread   *os.File   // a program that chooses the socket for a packet; nil where there is none
	Maps     map[string]*os.File
	Mode     Mode
	Reason   string // why no better mode holds
	Offloads string // what merges frames and could not be switched off
	Detach   io.Closer
}

// Close gives everything back.
func (g *Grant) Close() error {
	var err error
	for _, f := range g.Sockets {
		err = errors.Join(err, f.Close())
	}
	for _, f := range []*os.File{g.Filter, g.Spread} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	for _, f := range g.Maps {
		err = errors.Join(err, f.Close())
	}
	if g.Detach != nil {
		err = errors.Join(err, g.Detach.Close())
	}
	return err
}

// Opener does what needs privileges: packet sockets, programs in the kernel, offloads.
type Opener interface {
	Open(Request) (*Grant, error)
}

// ErrPrivilege is wrapped when the process may not open packet sockets.
var ErrPrivilege = errors.New("no permission to listen")

// Local opens in this process.
func Local() Opener { return local{} }

type local struct{}

// Open implements [Opener].
func (local) Open(r Request) (*Grant, error) {
	g := &Grant{Mode: ModePlain}
	for range r.Sockets {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return nil, errors.Join(socketError(err), g.Close())
		}
		g.Sockets = append(g.Sockets, os.NewFile(uintptr(fd), "packet:"+r.Interface))
	}
	g.Offloads = separate(r.Interface)
	if err := g.program(&r); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func socketError(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("capture: %w: run as root, or give the program the capability NET_RAW", ErrPrivilege)
	}
	return fmt.Errorf("capture: packet socket: %w", err)
}
