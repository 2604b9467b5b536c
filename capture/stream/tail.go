package stream

import "bytes"

// tail is a ring of the bytes delivered last, to compare repetitions with.
type tail struct {
	buf []byte // length a power of two, grown as needed
	n   int    // bytes held, the last of them before at
	at  int    // where the next byte goes
}

// add appends b, keeping at most limit bytes and growing by at most room. It gives the bytes it grew by, and whether it
// would have needed more room.
func (t *tail) add(b []byte, limit, room int) (grown int, full bool) {
	if want := min(t.n+len(b), limit); want > len(t.buf) {
		size := max(len(t.buf), 128)
		for size < want {
			size *= 2
		}
		if grown = size - len(t.buf); grown > room {
			grown, full = 0, true
		} else {
			t.grow(size)
		}
	}
	size := len(t.buf)
	if size == 0 {
		return grown, full
	}
	if len(b) > size {
		b = b[len(b)-size:]
	}
	k := copy(t.buf[t.at:], b)
	copy(t.buf, b[k:])
	t.at = (t.at + len(b)) & (size - 1)
	t.n = min(t.n+len(b), size)
	return grown, full
}

// grow moves what is held to the front of a larger ring.
func (t *tail) grow(size int) {
	buf := make([]byte, size)
	for i := range t.n {
		buf[i] = t.buf[(t.at-t.n+i)&(len(t.buf)-1)]
	}
	t.buf, t.at = buf, t.n
}

// forget empties the tail: what follows does not continue it.
func (t *tail) forget() { t.n = 0 }

// match reports whether b equals what was delivered, b beginning back bytes before the end. What is no longer held
// counts as equal.
func (t *tail) match(back int, b []byte) bool {
	if lost := back - t.n; lost > 0 {
		if lost >= len(b) {
			return true
		}
		b, back = b[lost:], t.n
	}
	if len(b) > back {
		b = b[:back]
	}
	from := (t.at - back) & (len(t.buf) - 1)
	k := min(len(b), len(t.buf)-from)
	return bytes.Equal(b[:k], t.buf[from:from+k]) && bytes.Equal(b[k:], t.buf[:len(b)-k])
}
