// Package pipeline takes frames to events.
//
// A [Worker] is one goroutine's world: packet decoder, defragmenter, conversation table, one dissector a conversation,
// and the batch it is filling. It decides which protocol a conversation speaks (the port suggests, the bytes decide),
// which end is the client, where messages begin and end, and what to do after a gap. Framing is written here once; a
// dissector never sees half a message.
//
// [Replay] spreads the frames of capture files over workers by pair of hosts and hands their batches, in the order of
// capture, to the one goroutine that owns inventory, graph and detection:
//
//	capture ─ reader ─┬─ worker ─┐
//	                  ├─ worker ─┼─ sink (ordered)
//	                  └─ worker ─┘
//
// All channels are bounded and nothing is dropped: a slow sink slows the reader. The clock is the packet's; nothing
// here calls time.Now, and the number of workers changes nothing in what comes out.
package pipeline
