// Package opcua reads OPC UA connections in their binary form over TCP: OPC 10000-6 (Part 6), sections 5.2 (encoding),
// 6.7 (secure conversation) and 7.1 (connection protocol); the services of OPC 10000-4 (Part 4).
//
// It owns the chunk framing, the reassembly of messages, the security state of a channel, the table of services, the
// table of status codes, and the walkers for the parameters of the services that name nodes, methods, servers or
// users. A request gives one event for each node it names; its answer gives the same events with their outcomes, paired
// by request id. Values are reported for writes, for answers to reads, and for notifications. What stands for a node is
// told as that node where the conversation showed which it is: the numbers of monitored items, registered ids, the
// points at which an answer goes on.
//
// It refuses what it cannot know: it never decrypts, and a message under SignAndEncrypt becomes one event with its
// channel and size, marked as encrypted. Where a conversation is joined in the middle its policy is unknown; then a
// body that begins with a known service is readable and any other is taken as encrypted. Other transports (HTTPS,
// WebSockets, PubSub over UDP) and the XML and JSON encodings are not read.
//
// Lengths from the wire slice and never allocate: every array is bounded by the bytes that are left, nesting by 16
// levels, and the tables of a conversation (chunks in progress, open requests, node names, monitored items, unfinished
// answers, disclosed facts) each by a capacity with an eviction. A dissector belongs to one conversation and one
// goroutine; the tables of this package are never written after initialisation.
package opcua
