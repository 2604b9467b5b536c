// Package protocols is the vocabulary of Spanwatch: who did what, to what, with which outcome. Read it first.
//
// A protocol is one folder below this one and one line in package all. It offers a [Spec]: where the protocol is
// found, how to recognise it, how long a message is, and a [Dissector] that turns one whole message into [Event]s.
// Everything behind the dissectors — inventory, graph, detection — reads Events and Flows only: no consumer ever
// names a protocol. Where a meaning is missing, this vocabulary grows; a switch on a protocol's name elsewhere is a
// fault of design.
//
// The package owns nouns and their text, and no state. It imports the standard library only. Values of its types are
// plain data: a goroutine that hands one on must not touch it afterwards.
package protocols
