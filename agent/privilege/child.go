package privilege

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/spanwatch/spanwatch/capture/live"
)

// Child is the parent, as the child sees it.
type Child struct {
	User string

	mu      sync.Mutex
	channel channel
}

// Inherit gives the child's end; nil in a process that is not the child.
func Inherit() (*Child, error) {
	name := os.Getenv(childVariable)
	if name == "" {
		return nil, nil
	}
	if err := os.Unsetenv(childVariable); err != nil {
		return nil, fmt.Errorf("privilege: %w", err)
	}
	file := os.NewFile(childSocket, "parent")
	conn, err := net.FileConn(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("privilege: %s is set, but no parent is there: start the sensor without it: %w", childVariable, err)
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("privilege: descriptor %d is no parent: start the sensor without %s", childSocket, childVariable), conn.Close())
	}
	return &Child{User: name, channel: channel{unixConn}}, nil
}

// Open implements [live.Opener]: the parent does it.
func (c *Child) Open(r live.Request) (*live.Grant, error) {
	a, files, err := c.ask(request{Open: &r})
	if err != nil {
		return nil, err
	}
	g, err := unpack(a, files)
	if err != nil {
		return nil, err
	}
	g.Detach = &held{c, a.ID}
	return g, nil
}

func (c *Child) ask(r request) (*answer, []*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.channel.send(r, nil); err != nil {
		return nil, nil, err
	}
	a := new(answer)
	files, err := c.channel.receive(a)
	if err != nil {
		return nil, nil, fmt.Errorf("privilege: the parent does not answer: %w", err)
	}
	if a.Error != "" {
		err := errors.New(a.Error)
		if a.Privilege {
			err = fmt.Errorf("%w (%s)", live.ErrPrivilege, a.Error)
		}
		return nil, nil, errors.Join(err, closeAll(files))
	}
	return a, files, nil
}

// held is what the parent keeps attached for the child.
type held struct {
	child *Child
	id    uint64
}

// Close implements io.Closer.
func (h *held) Close() error {
	_, _, err := h.child.ask(request{Close: h.id})
	return err
}
