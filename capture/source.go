package capture

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// MaxFrame is the longest frame that is read, in bytes. It is the largest snap length of libpcap, four times the
// largest IP packet: a record that claims more is damage, not a frame.
const MaxFrame = 256 << 10

// LinkType says what a frame begins with: the numbers of the tcpdump group's list (LINKTYPE_…), as files carry them.
type LinkType uint16

// The link types that package packet decodes.
const (
	LinkNull     LinkType = 0   // BSD loopback: address family in the byte order of the machine that captured
	LinkEthernet LinkType = 1   //
	LinkPPP      LinkType = 9   // PPP, with or without HDLC framing
	LinkRawBSD   LinkType = 12  // raw IP, as some systems number it in files
	LinkRawOpen  LinkType = 14  // raw IP, OpenBSD's number
	LinkRaw      LinkType = 101 // raw IP, version 4 or 6 by its first nibble
	LinkCHDLC    LinkType = 104 // Cisco HDLC
	LinkLoop     LinkType = 108 // OpenBSD loopback: address family in network byte order
	LinkSLL      LinkType = 113 // Linux "any" device
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkSLL2     LinkType = 276 // Linux "any" device, version 2
)

var linkNames = map[LinkType]string{
	LinkNull: "BSD loopback", LinkEthernet: "Ethernet", LinkPPP: "PPP", LinkRawBSD: "raw IP", LinkRawOpen: "raw IP",
	LinkRaw: "raw IP", LinkCHDLC: "Cisco HDLC", LinkLoop: "OpenBSD loopback", LinkSLL: "Linux cooked",
	LinkIPv4: "raw IPv4", LinkIPv6: "raw IPv6", LinkSLL2: "Linux cooked v2",
	// Not decoded, but named so that an operator knows what was captured.
	6: "IEEE 802.5 token ring", 105: "IEEE 802.11", 123: "SunATM", 127: "IEEE 802.11 radiotap", 147: "user-defined",
	187: "Bluetooth HCI", 189: "USB", 195: "IEEE 802.15.4", 220: "USB", 227: "CAN bus", 230: "IEEE 802.15.4 without FCS",
	249: "USBPcap", 251: "Bluetooth LE", 252: "Wireshark upper PDU", 253: "netlink",
}

// String gives name and number: "Ethernet (1)", or "link type 999".
func (l LinkType) String() string {
	if n, ok := linkNames[l]; ok {
		return fmt.Sprintf("%s (%d)", n, uint16(l))
	}
	return fmt.Sprintf("link type %d", uint16(l))
}

// Frame is one captured frame.
type Frame struct {
	Time       time.Time // when it was captured, UTC
	Data       []byte    // what was captured of it, from the link header on; borrowed until the next call of Next
	WireLength int       // its length on the wire in bytes; more than len(Data) where the capture was cut to a snap length
	Link       LinkType  // what Data begins with
	Source     uint16    // which source it came from
	Number     uint64    // 1-based number in that source
}

// ErrIdle is what [Source.Next] of a live source gives when nothing came for a while, about ten milliseconds. The
// frame's Time is then the clock up to which everything was delivered.
var ErrIdle = errors.New("capture: nothing came")

// Count is what the kernel counted of one conversation since it was last asked: differences to add. A is the lesser end,
// by address and then by port.
type Count struct {
	A, B           netip.Addr
	PortA, PortB   uint16 // 0 where the protocol has none
	Proto          uint8
	VLANs          [2]uint16 // of the first packet, outermost first
	Packets, Bytes [2]uint64 // A to B, B to A; bytes are lengths on the wire
	Flags          [2]uint8  // TCP flags seen, or'ed; bits as in the header
	First, Last    time.Time
	FromB          bool // the first packet was sent by B
	Source         uint16
}

// Source yields frames.
type Source interface {
	// Next fills f with the next frame. f.Data is valid until the next call of Next or Close. At the end it returns
	// io.EOF; where a file is damaged it returns a *DamagedError once in place of io.EOF.
	Next(f *Frame) error
	// Close gives the resources back; calling it again does nothing.
	Close() error
}

// DamagedError says that a capture file could be read only in part. What came before was delivered; if Packets is 0,
// nothing was.
type DamagedError struct {
	Name    string // the file's name, or "standard input"
	Packets uint64 // frames read before the damage
	Offset  int64  // where the unreadable record begins, in bytes of the uncompressed file
	Err     error  // what was wrong there
}

// Error gives one line for the operator.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("capture: %s: damaged after %d packets, at byte %d: %v", e.Name, e.Packets, e.Offset, e.Err)
}

// Unwrap gives the reason.
func (e *DamagedError) Unwrap() error { return e.Err }
