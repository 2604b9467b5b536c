package live

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// link is an interface as the kernel describes it.
type link struct {
	index int
	mtu   int
	up    bool // administratively, and a carrier is there
	nic   NICCounters
}

// links asks the kernel for all interfaces. It needs no privileges.
func links() (map[string]link, error) {
	rib, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("capture: list interfaces: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(rib)
	if err != nil {
		return nil, fmt.Errorf("capture: list interfaces: %w", err)
	}
	all := make(map[string]link)
	for i := range messages {
		m := &messages[i]
		if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			return nil, fmt.Errorf("capture: list interfaces: %w", err)
		}
		flags := binary.NativeEndian.Uint32(m.Data[8:])
		l := link{index: int(int32(binary.NativeEndian.Uint32(m.Data[4:]))), up: flags&unix.IFF_UP != 0 && flags&unix.IFF_RUNNING != 0}
		name := ""
		for _, a := range attributes {
			switch a.Attr.Type {
			case unix.IFLA_IFNAME:
				name = unix.ByteSliceToString(a.Value)
			case unix.IFLA_MTU:
				if len(a.Value) >= 4 {
					l.mtu = int(binary.NativeEndian.Uint32(a.Value))
				}
			case unix.IFLA_STATS64:
				l.nic = nicCounters(a.Value)
			}
		}
		all[name] = l
	}
	return all, nil
}

// nicCounters reads struct rtnl_link_stats64 (linux/if_link.h): rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors,
// tx_errors, rx_dropped, tx_dropped, multicast, collisions, rx_length_errors, rx_over_errors, rx_crc_errors,
// rx_frame_errors, rx_fifo_errors, rx_missed_errors.
func nicCounters(b []byte) NICCounters {
	at := func(i int) uint64 {
		if len(b) < 8*(i+1) {
			return 0
		}
		return binary.NativeEndian.Uint64(b[8*i:])
	}
	const fifo, missed = 14, 15
	return NICCounters{Received: at(0), Transmitted: at(1), ReceivedBytes: at(2), Errors: at(4), Dropped: at(fifo) + at(missed)}
}

func (c NICCounters) since(o NICCounters) NICCounters {
	return NICCounters{
		Received: c.Received - o.Received, ReceivedBytes: c.ReceivedBytes - o.ReceivedBytes, Dropped: c.Dropped - o.Dropped,
		Errors: c.Errors - o.Errors, Transmitted: c.Transmitted - o.Transmitted,
	}
}

func (c NICCounters) plus(o NICCounters) NICCounters {
	return NICCounters{
		Received: c.Received + o.Received, ReceivedBytes: c.ReceivedBytes + o.ReceivedBytes, Dropped: c.Dropped + o.Dropped,
		Errors: c.Errors + o.Errors, Transmitted: c.Transmitted + o.Transmitted,
	}
}
