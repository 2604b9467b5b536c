// Package netbios reads the NetBIOS name service (RFC 1001, RFC 1002): the names under which Windows hosts register,
// look for each other and defend themselves.
//
// Who registers, refreshes or gives a positive answer names itself; who asks for a name says nothing of itself, and a
// name server answers for others: the addresses of an answer say whose name it is. The suffix of a name tells the
// service: workstation and file server names are a host's, group names are not.
//
// The package reads the first question or record only, as each message has but one of a kind; node status answers are
// read whole. A dissector is used by one goroutine.
package netbios
