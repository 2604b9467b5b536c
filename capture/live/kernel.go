package live

import (
	"net/netip"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
)

// Counts gives the next of the kernel's counters, at most limit; none when all were given, or nothing counts.
func (x *Capture) Counts(limit int) ([]capture.Count, error) { return nil, nil }

// Counted reports whether the kernel counted a packet of an interface with its conversation.
func (x *Capture) Counted(p *packet.Packet, source uint16) bool { return false }

// Mark tells the kernel of an interface that a conversation is read, or that nobody reads it.
func (x *Capture) Mark(a, b netip.AddrPort, proto uint8, source uint16, read bool) {}
