package pipeline

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// courier reads a head of four bytes that says how much content follows, and tells nothing of the content.
type courier struct {
	left  [2]int
	depth protocols.Depth
	gaps  int
}

func (c *courier) Next(from protocols.Side, b []byte) int {
	switch {
	case c.left[from] > 0:
		return min(c.left[from], len(b))
	case len(b) < 4:
		return 0
	}
	return 4
}

func (c *courier) Depth() protocols.Depth { return c.depth }

func (c *courier) Gap(from protocols.Side) { c.gaps, c.left[from] = c.gaps+1, 0 }

func (c *courier) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	if c.left[m.From] > 0 {
		c.left[m.From] -= len(m.Bytes)
		c.depth = protocols.DepthEncrypted
		return dst, nil
	}
	c.left[m.From], c.depth = int(m.Bytes[2])<<8|int(m.Bytes[3]), protocols.DepthDecoded
	return append(dst, protocols.Event{From: m.From, Action: protocols.ActionConnect, Message: "head"}), nil
}

// A dissector that frames its stream itself is asked for each length, content passes without waiting to be whole, and
// behind a gap it goes on itself.
func TestFramerFramesItself(t *testing.T) {
	spec := toy
	spec.Length = nil
	spec.New = func() protocols.Dissector { return new(courier) }
	w := newWire(t)
	w.syn(hmi, plc)
	w.tcp(hmi, plc, []byte("TQ\x00"))
	w.tcp(hmi, plc, []byte("\x09cont"))
	w.tcp(hmi, plc, []byte("ent12TQ\x00\x20more"))
	w.lose(hmi, plc, 28)
	w.tcp(hmi, plc, []byte("TQ\x00\x02"))
	w.tcp(plc, hmi, []byte("TR\x00\x00"))
	var sum protocols.Coverage
	var frames []uint64
	err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: []protocols.Spec{spec}}}, func(b *Batch) error {
		for i := range b.Flows {
			sum.Add(b.Flows[i].Coverage)
		}
		for i := range b.Events {
			frames = append(frames, b.Events[i].Frame)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []uint64{3, 4, 5, 6}; len(frames) != 4 || [4]uint64(frames) != [4]uint64(want) {
		t.Errorf("heads in frames %v, want %v", frames, want)
	}
	if want := (protocols.Coverage{Decoded: 16, Encrypted: 13, Gap: 28, Messages: 4}); sum != want {
		t.Errorf("coverage %+v, want %+v", sum, want)
	}
}
