package doctor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture/live"
)

// link is what is known of an interface without listening to it.
type link struct {
	name    string
	present bool
	index   int
	mtu     int
	mac     [6]byte

	up, carrier bool
	arp         bool
	loopback    bool
	programmed  bool   // an XDP program is attached
	master      string // the bridge or bond that it is a port of
	queues      uint32 // for reception
	driver      string
	merging     string // what merges frames on reception: "GRO", "GRO and LRO"
	addresses   []netip.Prefix
	routes      int    // beside those that every interface has
	ipv6        bool   // the kernel speaks IPv6 there
	occupied    string // why nothing may be dropped there: "has fe80::1", "carries the interface eth1.7"
	failed      error
}

func readLink(name string) *link {
	l := &link{name: name}
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return l
	}
	l.present, l.index, l.mtu, l.loopback = true, nic.Index, nic.MTU, nic.Flags&net.FlagLoopback != 0
	copy(l.mac[:], nic.HardwareAddr)
	l.failed = errors.Join(l.readAttributes(), l.readRoutes())
	list, err := nic.Addrs()
	l.failed = errors.Join(l.failed, err)
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !(p.Addr().Is6() && p.Addr().IsLinkLocalUnicast()) {
			l.addresses = append(l.addresses, p)
		}
	}
	l.occupied, err = live.Occupied(l.index)
	l.failed = errors.Join(l.failed, err)
	l.ipv6 = sysctl("net/ipv6/conf/"+name+"/disable_ipv6") == "0"
	l.merging = live.Merging(name)
	if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err == nil {
		defer unix.Close(fd)
		if info, err := unix.IoctlGetEthtoolDrvinfo(fd, name); err == nil {
			l.driver = unix.ByteSliceToString(info.Driver[:])
		}
	}
	return l
}

// netlink calls each with the body and the attributes of every message of a dump.
func netlink(request, kind int, each func(body []byte, attributes []syscall.NetlinkRouteAttr)) error {
	rib, err := syscall.NetlinkRIB(request, unix.AF_UNSPEC)
	if err != nil {
		return err
	}
	messages, err := syscall.ParseNetlinkMessage(rib)
	if err != nil {
		return err
	}
	for i := range messages {
		if int(messages[i].Header.Type) != kind {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&messages[i])
		if err != nil {
			return err
		}
		each(messages[i].Data, attributes)
	}
	return nil
}

// readAttributes reads what the net package does not tell.
func (l *link) readAttributes() error {
	names := make(map[uint32]string)
	master := uint32(0)
	err := netlink(unix.RTM_GETLINK, unix.RTM_NEWLINK, func(body []byte, attributes []syscall.NetlinkRouteAttr) {
		if len(body) < unix.SizeofIfInfomsg {
			return
		}
		index := binary.NativeEndian.Uint32(body[4:])
		flags := binary.NativeEndian.Uint32(body[8:])
		if int(index) == l.index {
			l.up, l.carrier, l.arp = flags&unix.IFF_UP != 0, flags&unix.IFF_RUNNING != 0, flags&unix.IFF_NOARP == 0
		}
		for _, a := range attributes {
			switch kind := a.Attr.Type &^ unix.NLA_F_NESTED; {
			case kind == unix.IFLA_IFNAME:
				names[index] = unix.ByteSliceToString(a.Value)
			case int(index) != l.index || len(a.Value) < 4:
			case kind == unix.IFLA_MASTER:
				master = binary.NativeEndian.Uint32(a.Value)
			case kind == unix.IFLA_NUM_RX_QUEUES:
				l.queues = binary.NativeEndian.Uint32(a.Value)
			case kind == unix.IFLA_XDP:
				l.programmed = attached(a.Value)
			}
		}
	})
	l.master = names[master]
	return err
}

// attached reads the nested attributes of IFLA_XDP: IFLA_XDP_ATTACHED is 0 when no program is there.
func attached(b []byte) bool {
	for len(b) >= 4 {
		size, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if size < 4 || size > len(b) {
			return false
		}
		if kind == unix.IFLA_XDP_ATTACHED && size > 4 {
			return b[4] != 0
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return false
}

// readRoutes counts the routes of the main tables that lead out of the interface.
func (l *link) readRoutes() error {
	return netlink(unix.RTM_GETROUTE, unix.RTM_NEWROUTE, func(body []byte, attributes []syscall.NetlinkRouteAttr) {
		if len(body) < unix.SizeofRtMsg {
			return
		}
		family, table := body[0], uint32(body[4])
		ours, everywhere := false, false
		for _, a := range attributes {
			switch a.Attr.Type {
			case unix.RTA_OIF:
				ours = len(a.Value) >= 4 && int(binary.NativeEndian.Uint32(a.Value)) == l.index
			case unix.RTA_TABLE:
				if len(a.Value) >= 4 {
					table = binary.NativeEndian.Uint32(a.Value)
				}
			case unix.RTA_DST:
				// fe80::/10 and ff00::/8 lead out of every interface that speaks IPv6.
				everywhere = family == unix.AF_INET6 && len(a.Value) == 16 && (a.Value[0] == 0xff || a.Value[0] == 0xfe && a.Value[1]&0xc0 == 0x80)
			}
		}
		if ours && !everywhere && table != unix.RT_TABLE_LOCAL {
			l.routes++
		}
	})
}

func (l *link) check(what string) string { return "interface " + l.name + ": " + what }

// judge says whether the interface is fit to listen to.
func (l *link) judge(held privileges) []Finding {
	if !l.present {
		return []Finding{{l.check("link"), Failed, "there is no such interface", "see the names with: ip link"}}
	}
	if l.failed != nil {
		return []Finding{{l.check("link"), Failed, "the kernel does not describe it: " + l.failed.Error(), "look at: ip link show dev " + l.name}}
	}
	return append([]Finding{l.judgeLink(), l.judgeAddress(), l.judgeSilence(), l.judgeMerging(held), l.judgeMode(held)}, l.judgeMaster()...)
}

func (l *link) judgeLink() Finding {
	what := fmt.Sprintf("MTU %d", l.mtu)
	if l.driver != "" {
		what += ", driver " + l.driver
	}
	if l.queues > 0 {
		what += fmt.Sprintf(", %d receive queues", l.queues)
	}
	switch {
	case !l.up:
		return Finding{l.check("link"), Failed, "switched off; " + what, "switch it on with: ip link set dev " + l.name + " up"}
	case !l.carrier:
		return Finding{l.check("link"), Failed, "no carrier; " + what, "look at the cable and at the switch's port"}
	case l.mtu < 1500 && !l.loopback && !l.serves():
		return Finding{l.check("link"), Warning, "up, " + what, "longer frames are lost: ip link set dev " + l.name + " mtu 1500"}
	}
	return Finding{l.check("link"), OK, "up, " + what, ""}
}

// serves reports whether the host uses the interface for itself.
func (l *link) serves() bool { return len(l.addresses) > 0 || l.routes > 0 }

func (l *link) judgeAddress() Finding {
	if !l.serves() {
		return Finding{l.check("address"), OK, "no address and no route, as a monitor port should be", ""}
	}
	var found []string
	for _, a := range l.addresses {
		found = append(found, a.String())
	}
	what := "address " + strings.Join(found, ", ")
	switch {
	case len(found) == 0:
		what = fmt.Sprintf("%d routes lead out of it", l.routes)
	case l.routes > 0:
		what += fmt.Sprintf(", %d routes", l.routes)
	}
	return Finding{l.check("address"), Warning, what, "the host uses this interface, so the kernel drops nothing there before it makes a packet of it; " +
		"if it is a monitor port, run: ip addr flush dev " + l.name}
}

// judgeSilence looks for what makes the kernel send by itself.
func (l *link) judgeSilence() Finding {
	if l.loopback {
		return Finding{l.check("silence"), OK, "loopback: nothing leaves the machine", ""}
	}
	var reasons, commands []string
	if l.ipv6 {
		reasons = append(reasons, "IPv6 is on: the kernel asks for routers and neighbours there")
		commands = append(commands, "sysctl -w net.ipv6.conf."+strings.ReplaceAll(l.name, ".", "/")+".disable_ipv6=1")
	}
	if l.arp {
		reasons = append(reasons, "ARP is on: the kernel answers there for any address of this machine")
		commands = append(commands, "ip link set dev "+l.name+" arp off")
	}
	if len(reasons) == 0 {
		return Finding{l.check("silence"), OK, "IPv6 and ARP are off: the kernel has no reason to send", ""}
	}
	advice := "a sensor must not send: " + strings.Join(commands, " && ")
	if l.serves() {
		advice = "a monitor port must not send; if it is one: " + strings.Join(commands, " && ")
	}
	return Finding{l.check("silence"), Warning, strings.Join(reasons, "; "), advice}
}

func (l *link) judgeMerging(held privileges) Finding {
	switch {
	case l.merging == "":
		return Finding{l.check("offloads"), OK, "frames are not merged on reception", ""}
	case held.has(unix.CAP_NET_ADMIN):
		return Finding{l.check("offloads"), OK, l.merging + " merges frames on reception; the sensor switches that off", ""}
	}
	return Finding{l.check("offloads"), Warning, l.merging + " merges frames on reception, and this process may not switch that off",
		"run: ethtool -K " + l.name + " gro off lro off"}
}

// judgeMode says which way frames will come.
func (l *link) judgeMode(held privileges) Finding {
	switch {
	case !held.filters():
		return Finding{l.check("mode"), Warning, string(live.ModePlain) + ": this process may not load programs into the kernel",
			"give it the capabilities BPF and PERFMON, so that the kernel counts and filters"}
	case l.serves():
		return Finding{l.check("mode"), OK, string(live.ModeFilter) + ": an interface with an address or a route keeps its own traffic", ""}
	case l.occupied != "":
		return Finding{l.check("mode"), Warning, fmt.Sprintf("%s: the interface %s", live.ModeFilter, l.occupied),
			"free of other uses, the kernel would drop what is not read earlier, and the machine would work less"}
	case !held.has(unix.CAP_NET_ADMIN):
		return Finding{l.check("mode"), Warning, string(live.ModeFilter) + ": without NET_ADMIN nothing can be attached to the interface",
			"give the process the capability NET_ADMIN"}
	}
	return Finding{l.check("mode"), OK, fmt.Sprintf("%s, or %s where the driver cannot", live.ModeNative, live.ModeGeneric), ""}
}

func (l *link) judgeMaster() []Finding {
	if l.master == "" {
		return nil
	}
	return []Finding{{l.check("use"), Warning, "it is a port of " + l.master,
		"what arrives is passed on by " + l.master + "; if it is a monitor port, run: ip link set dev " + l.name + " nomaster"}}
}

// candidates are the interfaces of this machine that could be listened to.
func candidates() []*link {
	nics, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var list []*link
	for i := range nics {
		if nics[i].Flags&net.FlagLoopback == 0 {
			list = append(list, readLink(nics[i].Name))
		}
	}
	return list
}

// noInterface says what there is when none was named.
func noInterface(list []*link) Finding {
	var names []string
	for _, l := range list {
		state := "down"
		if l.carrier {
			state = "up"
		}
		if l.serves() {
			state += ", used by this machine"
		}
		names = append(names, l.name+" ("+state+")")
	}
	found := "none is named; this machine has " + strings.Join(names, ", ")
	if len(names) == 0 {
		found = "none is named, and this machine has none but loopback"
	}
	return Finding{"interface", Warning, found, "name the one that the switch mirrors to with --interface, or as interfaces in the file of -c"}
}
