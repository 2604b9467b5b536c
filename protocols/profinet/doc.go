// Package profinet reads the Discovery and basic Configuration Protocol of PROFINET (DCP, IEC 61158-6-10 §4.3): which
// devices there are by name of station, vendor and role, and who changes a device's name or address.
//
// DCP has no security: whoever is on the wire renames a device, takes its address away or resets it to what it was when
// it left the factory. Such requests are events of what they do. What a device answers about itself is a fact about the
// device, by its MAC, and about the address that it says is its own.
//
// The package refuses every other frame of PROFINET: real-time data and alarms have their own readers. A dissector has
// no state: requests and answers carry all that is told.
package profinet
