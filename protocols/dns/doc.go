// Package dns reads the Domain Name System (RFC 1035), multicast DNS (RFC 6762) and Link-Local Multicast Name
// Resolution (RFC 4795) for the names of hosts.
//
// The three share one format and one Spec. The content tells them apart: a multicast message has no id and speaks of
// local names or of nothing asked; an LLMNR message has none of the flags of recursion and asks for a single label.
//
// An answer names the address it tells, not the end of the conversation that told it. A name is taken for a host's when
// it looks like one and stands for one address: service records, aliases of many addresses and names made from
// addresses are not. What a responder of multicast DNS tells of its model is about the responder.
//
// The package walks every record and keeps none: it reads no zone and follows no delegation. Without Detail a message
// that names nobody is read without allocating. A dissector is used by one goroutine.
package dns
