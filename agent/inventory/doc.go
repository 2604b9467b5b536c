// Package inventory turns what passes on the wire into devices: who is there, under which addresses, what it says of
// itself and what it does.
//
// Inside, the package knows two kinds of thing only: hosts (one IP address, or one MAC without IP) and links (one MAC
// with the hosts that it carries). Which hosts make one device is derived from these whenever somebody asks, so the
// order in which packets arrive does not matter and nothing is ever merged that could not be taken apart again: a host
// belongs to its MAC when ARP or neighbour discovery proved it, or when the MAC carries nothing that speaks against it;
// behind a router's MAC every address stands for itself. A device's id follows from that: the hash of site, scope and
// MAC, or of site, scope and address. Ids given out early stay valid as aliases.
//
// Devices with several interfaces are one device where they disclose the same serial number, or name and model, and lie in
// different networks or next to each other; a MAC that routers share belongs to who holds it. Both are derived too: the
// evidence stands among the facts, and when something speaks against it the devices are apart again.
//
// What the operator says of devices and zones stands above what was found out, and beside it.
//
// Multicast, broadcast and unspecified addresses are no devices, nor is what lies beyond a router outside the site's
// networks and serves no OT. Addresses that never spoke (targets of a scan) are none either.
//
// The package does not name protocols: roles follow from actions, sides and the facts that dissectors disclose. Who made
// the adapter, by the prefix of the MAC, is the last resort when nothing better tells the vendor.
//
// Flows and bindings may come in any order; events of one device come in the order of time, or its history lacks the change
// that came late. An Inventory is owned by one goroutine. Its clock is the packet's. Its tables are bounded: see [Config] and [Stats].
package inventory
