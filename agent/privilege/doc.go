// Package privilege splits the sensor in two: a parent that may do everything and reads nothing from the network, and a
// child that reads hostile frames and may do nothing.
//
// The parent opens packet sockets, loads and attaches programs, and passes descriptors over a socket pair; it then waits
// for the child to ask for more, when an interface comes back. The child runs under an unprivileged user without
// capabilities, and shuts itself in with Landlock and seccomp where the kernel offers them.
//
// The package owns the wire between the two, and the walls. What is asked for and granted is [live.Request] and
// [live.Grant].
package privilege

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture/live"
)

// request is what the child asks: to open an interface, or to let go of one.
type request struct {
	Open  *live.Request `json:"open,omitempty"`
	Close uint64        `json:"close,omitempty"`
}

// answer is what the parent says. The descriptors come beside it: the sockets, the filter if there is one, the maps in
// the order of their names.
type answer struct {
	Error     string    `json:"error,omitempty"`
	Privilege bool      `json:"privilege,omitempty"` // the error is one of permission
	ID        uint64    `json:"id,omitempty"`
	Sockets   int       `json:"sockets,omitempty"`
	Filter    bool      `json:"filter,omitempty"`
	Spread    bool      `json:"spread,omitempty"`
	Maps      []string  `json:"maps,omitempty"`
	Mode      live.Mode `json:"mode,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Offloads  string    `json:"offloads,omitempty"`
}

const (
	maxMessage     = 64 << 10
	maxDescriptors = 128 // the kernel passes 253 at once
)

// channel is one end of the socket pair; it keeps messages whole.
type channel struct{ conn *net.UnixConn }

func (c channel) send(message any, files []*os.File) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("privilege: %w", err)
	}
	if len(body) > maxMessage || len(files) > maxDescriptors {
		return fmt.Errorf("privilege: a message of %d bytes with %d descriptors is too large", len(body), len(files))
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := c.conn.WriteMsgUnix(body, rights, nil); err != nil {
		return fmt.Errorf("privilege: %w", err)
	}
	return nil
}

// receive reads one message into message and gives the descriptors that came with it.
func (c channel) receive(message any) (files []*os.File, err error) {
	body := make([]byte, maxMessage)
	rights := make([]byte, unix.CmsgSpace(4*maxDescriptors))
	n, oob, flags, _, err := c.conn.ReadMsgUnix(body, rights)
	if err != nil {
		return nil, err
	}
	files, err = descriptors(rights[:oob])
	switch {
	case err != nil:
	case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		err = errors.New("a message was cut")
	case n == 0:
		err = net.ErrClosed
	default:
		err = json.Unmarshal(body[:n], message)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("privilege: %w", err), closeAll(files))
	}
	return files, nil
}

func descriptors(rights []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "granted"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) error {
	var err error
	for _, f := range files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// pack gives the answer for a grant, and its descriptors.
func pack(id uint64, g *live.Grant) (a answer, files []*os.File) {
	a = answer{ID: id, Sockets: len(g.Sockets), Filter: g.Filter != nil, Spread: g.Spread != nil, Mode: g.Mode, Reason: g.Reason, Offloads: g.Offloads}
	files = append(files, g.Sockets...)
	for _, f := range []*os.File{g.Filter, g.Spread} {
		if f != nil {
			files = append(files, f)
		}
	}
	for name := range g.Maps {
		a.Maps = append(a.Maps, name)
	}
	slices.Sort(a.Maps)
	for _, name := range a.Maps {
		files = append(files, g.Maps[name])
	}
	return a, files
}

// unpack makes a grant of an answer and its descriptors.
func unpack(a *answer, files []*os.File) (*live.Grant, error) {
	want := a.Sockets + len(a.Maps)
	for _, program := range []bool{a.Filter, a.Spread} {
		if program {
			want++
		}
	}
	if a.Sockets < 0 || len(files) != want {
		return nil, errors.Join(fmt.Errorf("privilege: %d descriptors came, %d were announced", len(files), want), closeAll(files))
	}
	g := &live.Grant{Sockets: files[:a.Sockets:a.Sockets], Mode: a.Mode, Reason: a.Reason, Offloads: a.Offloads}
	rest := files[a.Sockets:]
	if a.Filter {
		g.Filter, rest = rest[0], rest[1:]
	}
	if a.Spread {
		g.Spread, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		g.Maps = make(map[string]*os.File, len(rest))
		for i, f := range rest {
			g.Maps[a.Maps[i]] = f
		}
	}
	return g, nil
}
