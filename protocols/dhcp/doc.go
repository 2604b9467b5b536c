// Package dhcp reads the Dynamic Host Configuration Protocol (RFC 2131, options of RFC 2132 and RFC 4702): which name
// a host gives itself, and which address it was given.
//
// A name is a fact about an address, not about the end of a conversation: requests come from 0.0.0.0 or through a
// relay. What a client said of itself becomes certain when the server's acknowledgement with the same transaction id
// passes in the same conversation; an acknowledgement that is broadcast says by itself which name the server knows.
//
// The package reads no options that tell nothing of a device, and none that overflowed into the fields sname and file.
// It allocates what it tells of: such messages are rare. A dissector is used by one goroutine.
package dhcp
