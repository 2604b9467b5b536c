// Package stream follows conversations: it keeps who talks to whom, and gives each direction's bytes in order.
//
// A [Table] takes decoded packets and calls a [Handler]. TCP segments are put in order; what is repeated is dropped, and
// where a repetition differs the first copy stands and the conflict is reported. A conversation may begin in
// mid-stream, as most do in a plant. A hole becomes a [Handler.Gap] when the receiver acknowledges bytes that were not
// seen — it has them, the sensor never will —, when the room for what waits behind it is used up, or when the
// conversation ends. Datagrams and other packets are handed on as they come.
//
// Everything is bounded by [Config] and counted in [Stats]; a packet that no receiver would accept (far outside what is
// expected) is ignored unless the other side's acknowledgements bear it out. The clock is the packet's: a conversation
// whose next packet comes after its timeout is a new one, whether or not [Table.Advance] was called in between. The
// package knows no protocol above TCP and UDP and judges nothing.
//
// A Table and its Conversations belong to one goroutine; the handler is called on it and must not call the table.
package stream
