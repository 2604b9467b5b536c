// Package bpf counts conversations in the kernel and lets through only what is read.
//
// Two programs do the same at two places: one in the network driver (or in the kernel's receive path), which drops what
// nobody reads before the kernel makes a packet of it, and one at a packet socket, which leaves the host's traffic alone.
// Both read a frame's headers through tunnels to the innermost conversation, by the rules of package packet. Every packet
// is exactly one of: counted with its conversation; counted in the overflow, when the table is full; or other — without
// IP, a fragment, an ICMP error about another packet, malformed, or with headers beyond the first [Window] bytes. Other
// packets always pass, and user space counts them: [Counts] tells which are which. A third program spreads packets over the
// sockets of a group, so that all that two hosts say to each other meets at one.
//
// The package holds no policy: who attaches what, and which conversations matter, is the caller's business. It must not be
// attached to an interface that the host itself uses; see [Objects.AttachXDP].
//
// The programs are C, in folder c, compiled and committed; generate.sh makes them. They need Linux 5.18. An [Objects] may be
// used by several goroutines.
package bpf

//go:generate ./generate.sh

import "github.com/spanwatch/spanwatch/capture/packet"

// Window is how many bytes of a frame the programs look at.
const Window = 192

// Counts reports whether the programs count a packet that was decoded without error with its conversation (or in the
// overflow). Of any other packet they count nothing but its existence.
func Counts(p *packet.Packet) bool {
	return p.Src.IsValid() && !p.Fragment.Is && !p.ICMP.Quoted && p.Reach <= Window
}
