package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// Mark says what is to become of a conversation.
type Mark uint32

// The marks.
const (
	MarkNone   Mark = iota // as its ports say
	MarkWanted             // every packet passes
	MarkBulk               // nothing passes but what opens or ends a TCP connection
)

// Mark marks a conversation. The mark goes with the conversation, when it has been idle. There is room for a bounded number
// of marks; an error says that it is used up.
func (o *Objects) Mark(k Key, m Mark) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := k.kernel()
	if m == MarkNone {
		return o.unmark(key)
	}
	if err := o.maps[kernelMapMarks].Put(&key, uint32(m)); err != nil {
		return fmt.Errorf("bpf: mark a conversation: %w", err)
	}
	o.marked[key] = struct{}{}
	return o.marks()
}

func (o *Objects) unmark(key kernelKey) error {
	if _, ok := o.marked[key]; !ok {
		return nil
	}
	delete(o.marked, key)
	if err := o.maps[kernelMapMarks].Delete(&key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("bpf: unmark a conversation: %w", err)
	}
	return o.marks()
}

// marks tells the programs whether there is anything to look up.
func (o *Objects) marks() error {
	some := uint32(min(len(o.marked), 1))
	if some == o.options.Marks {
		return nil
	}
	o.options.Marks = some
	return o.configure()
}
