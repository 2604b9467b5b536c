package capture

import (
	"errors"
	"io"
)

// Merge gives the frames of several sources in the order of their time. Equal times go by the order of the arguments,
// and the frames of one source always keep their order, also where its clock steps back. A source that
// fails ends alone: its error (a [DamagedError]) is returned when its turn comes, and the next call goes on with the
// others. Closing the merge closes its sources; a source that has ended is closed at once.
func Merge(files ...Source) Source {
	if len(files) == 1 {
		return files[0]
	}
	m := &merge{}
	for i, s := range files {
		m.heads = append(m.heads, head{source: s, index: i})
	}
	return m
}

type merge struct {
	heads []head // a heap by time, then index, once begun
	begun bool
	taken bool    // the top's frame was handed out: its source goes on with the next call
	lost  []error // failures before the first frame
}

// head is the next frame of a source.
type head struct {
	source Source
	frame  Frame
	index  int
}

func (h *head) before(o *head) bool {
	if c := h.frame.Time.Compare(o.frame.Time); c != 0 {
		return c < 0
	}
	return h.index < o.index
}

// Next implements [Source].
func (m *merge) Next(f *Frame) error {
	if !m.begun {
		m.begin()
	}
	if m.taken {
		m.taken = false
		if err := m.advance(); err != nil {
			return err
		}
	}
	if len(m.lost) > 0 {
		err := m.lost[0]
		m.lost = m.lost[1:]
		return err
	}
	if len(m.heads) == 0 {
		return io.EOF
	}
	*f = m.heads[0].frame
	m.taken = true
	return nil
}

// begin reads the first frame of every source.
func (m *merge) begin() {
	m.begun = true
	kept := m.heads[:0]
	for _, h := range m.heads {
		err := h.source.Next(&h.frame)
		if err == nil {
			kept = append(kept, h)
			continue
		}
		h.source.Close()
		if err != io.EOF { //nolint:errorlint // sources return io.EOF itself
			m.lost = append(m.lost, err)
		}
	}
	m.heads = kept
	for i := len(m.heads)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
}

// advance replaces the top's frame by the next of its source, or removes a source that has ended.
func (m *merge) advance() error {
	top := &m.heads[0]
	err := top.source.Next(&top.frame)
	if err != nil {
		top.source.Close()
		last := len(m.heads) - 1
		m.heads[0] = m.heads[last]
		m.heads = m.heads[:last]
	}
	m.sink(0)
	if err == io.EOF { //nolint:errorlint // sources return io.EOF itself
		return nil
	}
	return err
}

// sink restores the heap below i.
func (m *merge) sink(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(m.heads); c++ {
			if m.heads[c].before(&m.heads[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		m.heads[i], m.heads[least] = m.heads[least], m.heads[i]
		i = least
	}
}

// Close implements [Source].
func (m *merge) Close() error {
	var err error
	for _, h := range m.heads {
		err = errors.Join(err, h.source.Close())
	}
	m.heads, m.lost, m.begun, m.taken = nil, nil, true, false
	return err
}
