package protocols

// Framer is a Dissector that finds the ends of a stream's messages itself, because they depend on what came before: the
// content behind a head, the bytes after a key exchange. It is asked in place of [Spec.Length], which is then nil.
// Behind a gap no probe looks for its next message: Gap tells it, and it goes on as it can.
type Framer interface {
	Dissector
	// Next says how many bytes the next message of a side has, of which b is what came so far and is not empty: 0 when
	// more bytes are needed to tell. The answer may exceed len(b). Content that nobody reads passes as it comes: len(b),
	// or as much of it as belongs to the content. Next changes nothing, so that it may be asked again.
	Next(from Side, b []byte) int
	// Depth says how far the last message was understood.
	Depth() Depth
}

// Depth is how far the bytes of a message were understood.
type Depth uint8

// The depths, as [Coverage] counts them.
const (
	DepthDecoded Depth = iota
	DepthRecognised
	DepthEncrypted
	DepthOpaque
)
