package process

import "slices"

const (
	maxText     = 64 // bytes of a text that are kept
	recentTexts = 4  // of one variable
)

// text is the content of a variable that is no number: its cell holds digests.
type text struct {
	recent [recentTexts]struct {
		digest uint64
		value  []byte
	}
	next int
}

// keepText keeps a text under its digest.
func (p *Process) keepText(i int32, raw uint64, value []byte) {
	t := p.texts[i]
	if t == nil {
		if len(p.texts) >= p.config.MaxTexts {
			p.stats.DroppedTexts++
			return
		}
		t = new(text)
		p.texts[i] = t
	}
	if t.find(raw) != nil {
		return
	}
	at := &t.recent[t.next]
	at.digest, at.value = raw, append(at.value[:0], value[:min(len(value), maxText)]...)
	t.next = (t.next + 1) % recentTexts
}

// find gives the text with a digest; nil where it was not kept.
func (t *text) find(raw uint64) []byte {
	k := slices.IndexFunc(t.recent[:], func(r struct {
		digest uint64
		value  []byte
	}) bool {
		return r.digest == raw && r.value != nil
	})
	if k < 0 {
		return nil
	}
	return t.recent[k].value
}
