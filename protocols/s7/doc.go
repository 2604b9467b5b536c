// Package s7 reads what rides on ISO-on-TCP between Siemens controllers, their panels and their engineering software:
// S7comm (first byte 0x32), S7comm-plus (0x72), and the TLS that newer firmware wraps around the latter.
//
// It owns one [Spec] for all of them, because they share a port, a framing and often a conversation; the label of an
// event says which it was: "s7comm", "s7comm-plus", or "cotp" for the connection messages below both. It refuses
// conversations that carry something else over the same transport — MMS, RDP — already in the probe.
//
// S7comm has no public specification. The names of functions and fields are those that analysts know from the common
// protocol analysers, so that records can be compared. One message about several variables gives one event a variable.
// Answers are paired with their requests by PDU reference and carry the request's variables, since the answer itself
// names none. Requests that stay without one are counted; what may have been answered among lost bytes is not.
//
// The state of a conversation — fragments, requests awaiting an answer, jobs that push values — is bounded in every
// table; the oldest entry makes room and is counted. A dissector belongs to one goroutine. Events borrow the message.
package s7
