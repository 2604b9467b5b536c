package modbus

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spanwatch/spanwatch/protocols"
)

// frame makes a frame of unit, function and fields.
func frame(b ...byte) []byte { return binary.LittleEndian.AppendUint16(b, checksum(b)) }

// serialReader cuts the bytes of one side into messages, as the sensor does.
type serialReader struct {
	serial
	from protocols.Side
	buf  []byte
	read []string
}

func (r *serialReader) segment(b []byte) {
	r.buf = append(r.buf, b...)
	for len(r.buf) > 0 {
		n := r.Next(r.from, r.buf)
		switch {
		case n < 0:
			r.buf = r.buf[1:]
			continue
		case n == 0, n > len(r.buf):
			return
		}
		r.read = append(r.read, string(r.buf[:n]))
		r.buf = r.buf[n:]
	}
}

// randomFrame makes a request or an answer as they may stand on the line.
func randomFrame(random *rand.Rand, from protocols.Side) []byte {
	unit, ref, n := byte(1+random.IntN(247)), byte(random.IntN(256)), byte(1+random.IntN(100))
	values := make([]byte, 2*int(n))
	for i := range values {
		values[i] = byte(random.IntN(256))
	}
	if from == protocols.Client {
		switch random.IntN(4) {
		case 0:
			return frame(append([]byte{unit, 16, ref, ref, 0, n, 2 * n}, values...)...)
		case 1:
			return frame(unit, 6, ref, ref, n, ref)
		case 2:
			return frame(unit, 17)
		default:
			return frame(unit, byte(1+random.IntN(4)), ref, ref, 0, n)
		}
	}
	switch random.IntN(4) {
	case 0:
		return frame(unit, 0x83, 2)
	case 1:
		return frame(unit, 16, ref, ref, 0, n)
	case 2:
		return frame(append([]byte{unit, 1, 2 * n}, values...)...)
	default:
		return frame(append([]byte{unit, 3, 2 * n}, values...)...)
	}
}

// Frames are found however the stream is cut: several in a segment, or a few bytes at a time.
func TestSerialFramesCutAnywhere(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		from := protocols.Side(random.IntN(2))
		var want []string
		var stream []byte
		for range 1 + random.IntN(30) {
			b := randomFrame(random, from)
			want = append(want, string(b))
			stream = append(stream, b...)
		}
		r := serialReader{from: from}
		for longest := 1 + random.IntN(300); len(stream) > 0; {
			n := min(1+random.IntN(longest), len(stream))
			r.segment(stream[:n])
			stream = stream[n:]
		}
		if diff := cmp.Diff(want, r.read); diff != "" {
			t.Fatal(diff)
		}
	}
}

// Noise costs at most the frames that follow it within the length of a frame, and never makes one up.
func TestSerialNoiseBetweenFrames(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		from := protocols.Side(random.IntN(2))
		var before, behind []string
		r := serialReader{from: from}
		for range 1 + random.IntN(5) {
			b := randomFrame(random, from)
			before = append(before, string(b))
			r.segment(b)
		}
		noise := make([]byte, 1+random.IntN(40))
		for i := range noise {
			noise[i] = byte(random.IntN(256))
		}
		r.segment(noise)
		for far := 0; far < 4*rtuMax; {
			b := randomFrame(random, from)
			behind = append(behind, string(b))
			r.segment(b)
			far += len(b)
		}
		if len(r.read) < len(before) || !cmp.Equal(before, r.read[:len(before)]) {
			t.Fatalf("noise %x reached back: read %x of %x", noise, r.read, before)
		}
		found := r.read[len(before):]
		missing := len(behind) - len(found)
		if missing < 0 || !cmp.Equal(behind[missing:], found) {
			t.Fatalf("noise %x: read %x of %x", noise, found, behind)
		}
		cost := 0
		for _, b := range behind[:missing] {
			cost += len(b)
		}
		if cost > rtuMax {
			t.Fatalf("noise %x cost %d bytes", noise, cost)
		}
	}
}

// Where a frame ends depends on which way it goes, and must be told as soon as its bytes are there: an answer that waits
// for the next one would be given to the next request.
func TestSerialFrameEnds(t *testing.T) {
	for name, test := range map[string]struct {
		from  protocols.Side
		bytes string
		want  int
	}{
		"nothing but a unit":                        {protocols.Client, "11", 0},
		"request":                                   {protocols.Client, "11 03 006b 0003 7687", 8},
		"request, half":                             {protocols.Client, "11 03 006b 0003", 0},
		"request, wrong checksum":                   {protocols.Client, "11 03 006b 0003 7688", -1},
		"request that is whole without its last":    {protocols.Client, "05 01 0202 0049 5c00", 8},
		"the same, half":                            {protocols.Client, "05 01 0202 0049 5c", 0},
		"the same bytes as an answer":               {protocols.Server, "05 01 02 0200 495c", 7},
		"answer":                                    {protocols.Server, "01 03 02 0007 f986", 7},
		"answer from who was taken for the client":  {protocols.Client, "01 03 02 0007 f986 01", 7},
		"request from who was taken for the server": {protocols.Server, "11 03 006b 0003 7687", 8},
		"exception":                                 {protocols.Server, "11 84 02 c304", 5},
		"broadcast":                                 {protocols.Client, "00 06 0001 0003 99da", 8},
		"function of nobody":                        {protocols.Client, "11 63 006b 0003", -1},
		"longer than a frame may be":                {protocols.Server, "11 03 fe 0000 000000", -1},
	} {
		if got := (&serial{}).Next(test.from, unhex(t, test.bytes)); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
