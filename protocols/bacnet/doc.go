// Package bacnet reads BACnet (ANSI/ASHRAE 135), the language of building automation, on UDP (BACnet/IP, annex J) and on
// Ethernet without IP (clause 7): who reads and commands which object of which device, who restarts or silences a
// device, who rewrites the tables by which broadcasts travel, and what devices say of themselves.
//
// An object is named as the standard names it, with its property: "analog-value 3 present-value", and where it is
// commanded, with the priority of the command. A device behind a router carries its address there as unit; what a
// device on another IP network says is a fact about that address. BACnet has no end that only asks: a device that
// notifies asks for an acknowledgement.
//
// Values keep the type of the wire. Numbers are turned to little-endian in memory of the dissector, which is valid until
// its next message.
//
// The package refuses to guess: content of vendors' own services is named and not read, and so are BACnet/SC, which is
// encrypted, and the secured messages of clause 24. Passwords of device management are never shown. A dissector is the
// state of one conversation and used by one goroutine; it keeps at most 64 requests, 64 names, and 2 messages in segments of
// up to 16 KiB.
package bacnet
