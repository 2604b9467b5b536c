package livetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Cable is a pair of virtual interfaces: what is sent at the one end arrives at the other, which is monitored. It is used
// by one goroutine.
type Cable struct {
	Monitored, Sending string
	socket             int
	merged             int    // a socket for frames that are to be taken for several segments
	sent               uint64 // frames, since Lay
	before             uint64 // frames that had arrived at the monitored end when it was laid
	batch              batch
}

// Lay makes a cable. The name is at most 13 bytes long; mtu 0 is the usual 1500.
func Lay(name string, mtu int) (*Cable, error) {
	if mtu == 0 {
		mtu = 1500
	}
	c := &Cable{Monitored: name, Sending: name + "-s", socket: -1, merged: -1}
	size := strconv.Itoa(mtu)
	if err := IP("link", "add", c.Monitored, "mtu", size, "numtxqueues", "1", "numrxqueues", "1", "type", "veth",
		"peer", "name", c.Sending, "mtu", size, "numtxqueues", "1", "numrxqueues", "1"); err != nil {
		return nil, err
	}
	// The sending end last: one that waits for its carrier drops what it is given, and says nothing.
	for _, end := range []string{c.Monitored, c.Sending} {
		if err := IP("link", "set", "dev", end, "addrgenmode", "none", "arp", "off", "multicast", "off", "up"); err != nil {
			return nil, errors.Join(err, c.Cut())
		}
	}
	return c, c.connect()
}

// connect opens the sockets that send. Without a protocol they receive nothing.
func (c *Cable) connect() (err error) {
	if c.before, err = c.Arrived(); err != nil {
		return err
	}
	i, err := net.InterfaceByName(c.Sending)
	if err != nil {
		return fmt.Errorf("livetest: %w", err)
	}
	for _, socket := range []*int{&c.socket, &c.merged} {
		if *socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return fmt.Errorf("livetest: packet socket: %w", err)
		}
		if err := unix.Bind(*socket, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
			return fmt.Errorf("livetest: bind to %s: %w", c.Sending, err)
		}
	}
	if err := unix.SetsockoptInt(c.merged, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return fmt.Errorf("livetest: headers of merged frames: %w", err)
	}
	return nil
}

// Bypass makes what is sent from now on go around the queues of the sending interface.
func (c *Cable) Bypass() error {
	return unix.SetsockoptInt(c.socket, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
}

// Cut removes the cable.
func (c *Cable) Cut() error {
	for _, socket := range []*int{&c.socket, &c.merged} {
		if *socket >= 0 {
			if err := unix.Close(*socket); err != nil {
				return fmt.Errorf("livetest: %w", err)
			}
			*socket = -1
		}
	}
	if _, err := net.InterfaceByName(c.Sending); err != nil {
		return nil // it went with its namespace, or the test removed it
	}
	return IP("link", "del", c.Sending)
}

// Counter reads one of an interface's counters, such as rx_packets.
func Counter(name, counter string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join("/sys/class/net", name, "statistics", counter))
	if err != nil {
		return 0, fmt.Errorf("livetest: %w", err)
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// Arrived is how many frames the monitored end has received.
func (c *Cable) Arrived() (uint64, error) { return Counter(c.Monitored, "rx_packets") }

// Transmitted is how many frames the monitored end has sent: none, or the sensor is to blame.
func (c *Cable) Transmitted() (uint64, error) { return Counter(c.Monitored, "tx_packets") }

// Sent is how many frames were given to the sending end.
func (c *Cable) Sent() uint64 { return c.sent }

// Promiscuity is how many have asked an interface for frames that are for others.
func Promiscuity(name string) (int, error) {
	out, err := exec.Command("ip", "-d", "-j", "link", "show", "dev", name).Output()
	if err != nil {
		return 0, fmt.Errorf("livetest: ip link show %s: %w", name, err)
	}
	var list []struct{ Promiscuity int }
	if err := json.Unmarshal(out, &list); err != nil || len(list) != 1 {
		return 0, fmt.Errorf("livetest: ip link show %s: %w in %s", name, err, out)
	}
	return list[0].Promiscuity, nil
}

// window is how many frames are on their way at most when none may be lost; the queue of a virtual interface has 256 places.
const window = 64

// Deliver sends frames so that none is lost on the way to the monitored interface: it waits for them to arrive.
func (c *Cable) Deliver(frames ...[]byte) error {
	if err := c.ready(); err != nil {
		return err
	}
	for len(frames) > 0 {
		some := frames[:min(window, len(frames))]
		frames = frames[len(some):]
		if err := c.Send(some...); err != nil {
			return err
		}
		if err := c.settle(); err != nil {
			return err
		}
	}
	return nil
}

// ready waits until the sending end sends: after the other end was down that takes a moment, in which it drops.
func (c *Cable) ready() error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		carrier, _ := os.ReadFile(filepath.Join("/sys/class/net", c.Sending, "carrier")) // an error while it is down
		state, err := os.ReadFile(filepath.Join("/sys/class/net", c.Sending, "operstate"))
		switch {
		case err != nil:
			return fmt.Errorf("livetest: %w", err)
		case string(carrier) == "1\n" && string(state) == "up\n":
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("livetest: %s is not up", c.Sending)
		}
		time.Sleep(20 * time.Microsecond)
	}
}

// settle waits until everything that was sent has arrived.
func (c *Cable) settle() error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		n, err := c.Arrived()
		if err != nil {
			return err
		}
		if n-c.before >= c.sent {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("livetest: of %d frames sent only %d arrived at %s", c.sent, n-c.before, c.Monitored)
		}
		time.Sleep(20 * time.Microsecond) // the kernel may need this processor to receive
	}
}
