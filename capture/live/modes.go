package live

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/bpf"
)

// modes are those in which the kernel counts, the best first.
var modes = []Mode{ModeNative, ModeGeneric, ModeFilter}

// program has the kernel count conversations, in the mode asked for or the best below it that works. That none works is no
// error; Reason tells.
func (g *Grant) program(r *Request) error {
	c := bpf.Config{Flows: r.Flows, First: r.First, Snap: r.Snap}
	try := modes
	switch i := slices.Index(modes, r.Mode); {
	case r.Mode == ModePlain && r.Sockets < 2:
		return nil
	case r.Mode == ModePlain: // nothing is counted, but packets are spread well
		c.Flows, try = 1, nil
	case i > 0:
		try = modes[i:]
	}
	o, err := bpf.Load(c)
	if err != nil {
		if r.Mode != ModePlain {
			g.Reason = err.Error()
		}
		return nil
	}
	defer o.Close()
	if g.Spread, err = duplicate(o.Spread(), "spread"); err != nil || len(try) == 0 {
		return err
	}
	if err := o.SetPorts(r.TCP, r.UDP); err != nil {
		return err
	}
	var reasons []string
	for _, mode := range try {
		err := g.attach(o, r, mode)
		if err == nil {
			g.Mode = mode
			break
		}
		if why := err.Error(); !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	g.Reason = strings.Join(reasons, "; ")
	if g.Mode == ModePlain {
		return nil
	}
	g.Maps = make(map[string]*os.File)
	for name, fd := range o.FDs() {
		if g.Maps[name], err = duplicate(fd, name); err != nil {
			delete(g.Maps, name)
			return err
		}
	}
	return nil
}

// attach tries one mode.
func (g *Grant) attach(o *bpf.Objects, r *Request, mode Mode) (err error) {
	if mode == ModeFilter {
		g.Filter, err = duplicate(o.Filter(), "filter")
		return err
	}
	if why, err := Occupied(r.Index); err != nil {
		return err
	} else if why != "" {
		return fmt.Errorf("XDP drops only on an interface without address or route: %s %s", r.Interface, why)
	}
	if g.Detach, err = o.AttachXDP(r.Index, mode == ModeNative); err != nil {
		g.Detach = nil // not an interface that holds nothing
		return fmt.Errorf("%s: %w", mode, err)
	}
	if left := keepTags(r.Interface); left != "" {
		g.Offloads = strings.TrimPrefix(g.Offloads+", "+left, ", ")
	}
	return nil
}

func duplicate(fd int, name string) (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("capture: %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), "bpf:"+name), nil
}

// Occupied tells what an interface is used for by the host, so that dropping what arrives there would harm; empty for
// nothing.
func Occupied(index int) (string, error) {
	for _, look := range []struct {
		request int
		use     func(m *syscall.NetlinkMessage, index int) (string, error)
	}{{unix.RTM_GETADDR, address}, {unix.RTM_GETROUTE, route}, {unix.RTM_GETLINK, upper}} {
		rib, err := syscall.NetlinkRIB(look.request, unix.AF_UNSPEC)
		if err != nil {
			return "", fmt.Errorf("what the interface is used for: %w", err)
		}
		messages, err := syscall.ParseNetlinkMessage(rib)
		if err != nil {
			return "", fmt.Errorf("what the interface is used for: %w", err)
		}
		for i := range messages {
			if use, err := look.use(&messages[i], index); use != "" || err != nil {
				return use, err
			}
		}
	}
	return "", nil
}

// address tells of an address on the interface.
func address(m *syscall.NetlinkMessage, index int) (string, error) {
	if m.Header.Type != unix.RTM_NEWADDR || len(m.Data) < unix.SizeofIfAddrmsg || int(binary.NativeEndian.Uint32(m.Data[4:])) != index {
		return "", nil
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return "", err
	}
	for _, a := range attributes {
		if a.Attr.Type != unix.IFA_ADDRESS {
			continue
		}
		ip, _ := netip.AddrFromSlice(a.Value)
		if ip.Is6() && ip.IsLinkLocalUnicast() {
			return fmt.Sprintf("has %s, which it gave itself; to use XDP, switch IPv6 off there (sysctl net.ipv6.conf.NAME.disable_ipv6=1)", ip), nil
		}
		return "has " + ip.String(), nil
	}
	return "has an address", nil
}

// route tells of a route over the interface, other than those that the kernel makes by itself.
func route(m *syscall.NetlinkMessage, index int) (string, error) {
	// struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type.
	if m.Header.Type != unix.RTM_NEWROUTE || len(m.Data) < unix.SizeofRtMsg || m.Data[7] != unix.RTN_UNICAST || m.Data[4] == unix.RT_TABLE_LOCAL {
		return "", nil
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return "", err
	}
	for _, a := range attributes {
		if a.Attr.Type == unix.RTA_OIF && len(a.Value) >= 4 && int(binary.NativeEndian.Uint32(a.Value)) == index {
			return "has a route", nil
		}
	}
	return "", nil
}

// upper tells of another interface that lives on this one: a bridge or bond that it is a port of, a VLAN.
func upper(m *syscall.NetlinkMessage, index int) (string, error) {
	if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
		return "", nil
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return "", err
	}
	own := int(int32(binary.NativeEndian.Uint32(m.Data[4:]))) == index
	name, above, elsewhere := "", false, false
	for _, a := range attributes {
		switch a.Attr.Type {
		case unix.IFLA_MASTER:
			if own {
				return "is a port of another interface", nil
			}
		case unix.IFLA_LINK:
			above = len(a.Value) >= 4 && int(binary.NativeEndian.Uint32(a.Value)) == index
		case unix.IFLA_LINK_NETNSID: // the number is of another namespace
			elsewhere = true
		case unix.IFLA_LINKINFO:
			elsewhere = elsewhere || strings.Contains(string(a.Value), "veth\x00") // the other end of a cable
		case unix.IFLA_IFNAME:
			name = unix.ByteSliceToString(a.Value)
		}
	}
	if above && !own && !elsewhere {
		return fmt.Sprintf("carries the interface %s", name), nil
	}
	return "", nil
}
