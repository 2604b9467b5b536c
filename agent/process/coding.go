package process

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// encoder writes what is kept: numbers as varints, texts that repeat by number.
type encoder struct {
	b              []byte
	writers, names map[int32]uint64
}

func (e *encoder) uint(x uint64)   { e.b = binary.AppendUvarint(e.b, x) }
func (e *encoder) int(x int64)     { e.b = binary.AppendVarint(e.b, x) }
func (e *encoder) float(x float64) { e.b = binary.LittleEndian.AppendUint64(e.b, math.Float64bits(x)) }

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.int(0)
		return
	}
	e.int(t.UnixNano())
}

// name writes a name in full the first time, and then its number.
func (e *encoder) name(i int32, all []string) {
	n, known := e.names[i]
	if known {
		e.uint(n)
		return
	}
	e.names[i] = uint64(len(e.names)) + 1
	e.uint(0)
	e.text(all[i])
}

func (e *encoder) change(ch change, writers []protocols.Endpoint) {
	e.int(ch.at)
	e.uint(ch.before)
	e.uint(ch.value)
	known := uint64(0)
	if ch.known {
		known = 1
	}
	e.uint(uint64(ch.how)<<1 | known)
	switch n, told := e.writers[ch.by]; {
	case ch.by <= unknownWriter:
		e.uint(uint64(ch.by))
	case told:
		e.uint(n)
	default:
		e.writers[ch.by] = uint64(len(e.writers)) + 3
		e.uint(2)
		e.text(writers[ch.by].Address().String())
	}
}

// decoder reads what an encoder wrote. A fault sticks.
type decoder struct {
	b       []byte
	failed  bool
	names   []string
	writers []protocols.Endpoint
}

func (d *decoder) uint() uint64 {
	x, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return x
}

func (d *decoder) int() int64 {
	x, n := binary.Varint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return x
}

func (d *decoder) float() float64 {
	if len(d.b) < 8 {
		d.failed, d.b = true, nil
		return 0
	}
	x := math.Float64frombits(binary.LittleEndian.Uint64(d.b))
	d.b = d.b[8:]
	return x
}

func (d *decoder) text() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.failed, d.b = true, nil
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) time() time.Time {
	if n := d.int(); n != 0 {
		return time.Unix(0, n).UTC()
	}
	return time.Time{}
}

func (d *decoder) name() string {
	n := d.uint()
	if n == 0 {
		d.names = append(d.names, d.text())
		n = uint64(len(d.names))
	}
	if n > uint64(len(d.names)) {
		d.failed = true
		return ""
	}
	return d.names[n-1]
}

func (p *Process) decodeChange(d *decoder) change {
	ch := change{at: d.int(), before: d.uint(), value: d.uint()}
	x := d.uint()
	ch.known, ch.how = x&1 == 1, how(min(x>>1, uint64(byRefused)))
	switch n := d.uint(); {
	case n <= unknownWriter:
		ch.by = int32(n)
	case n == 2:
		at, err := endpoint(d.text())
		d.failed = d.failed || err != nil
		d.writers = append(d.writers, at)
		ch.by = p.writer(&at)
	case n-3 < uint64(len(d.writers)):
		ch.by = p.writer(&d.writers[n-3])
	default:
		d.failed = true
	}
	return ch
}
