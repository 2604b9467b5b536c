// Package protocoltest is the conformance suite that every protocol passes: [Run] over recorded conversations and
// [Fuzz] over invented ones.
//
// A case is a folder testdata/NAME with the conversation in case.txt and the events it must give in want.jsonl, one
// JSON line an event (go test -update rewrites it: read the difference before committing it). The conversation is
// annotated hexadecimal, a block a message:
//
//	# Reading two registers.
//	# Written by hand from MODBUS Application Protocol V1.1b3, section 6.3.
//
//	> client hot
//	00 01  00 00  00 06  01   # transaction 1, protocol 0, 6 bytes follow, unit 1
//	03  00 6b  00 02          # Read Holding Registers 107, 2 of them
//
//	< server hot
//	00 01  00 00  00 07  01
//	03  04  02 2b  00 00
//
// The comment at the top is the case's README and must say where the bytes come from. Bytes are hexadecimal digits in
// any grouping, "quoted ASCII", or a repetition such as 00*250. The number of a block is the frame number its message
// gets. A line "transport udp" before the first block makes every block a datagram; "uncut" exempts a conversation
// that loses synchronisation on purpose, where events depend on segment boundaries. After the direction a block may
// say
//
//	hot   its message must be dissected without allocating, when nobody asks for Detail
//	odd   a probe that sees this message first need not recognise it
//	gap   bytes of this side were lost just before it
//
// The package frames streams as the sensor does, so that a protocol is tested with what it will get: bytes are
// buffered a direction, [protocols.Spec.Length] cuts them, messages over 64 KiB are skipped, and a side that lost
// synchronisation is probed again at its next segment. It is imported by tests only and keeps no state between calls.
package protocoltest
