package bpf

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Key is a conversation. A is the lesser end, by address and then by port. Make it with [KeyOf].
type Key struct {
	A, B         netip.Addr // both IPv4 or both IPv6; an IPv4 address and its mapped twin are two hosts
	PortA, PortB uint16     // 0 where the protocol has none
	Proto        uint8
}

// KeyOf gives the conversation of a packet, and whether B sent it.
func KeyOf(src, dst netip.AddrPort, proto uint8) (k Key, fromB bool) {
	a, b := src.Addr().As16(), dst.Addr().As16()
	c := bytes.Compare(a[:], b[:])
	if fromB = c > 0 || c == 0 && src.Port() > dst.Port(); fromB {
		src, dst = dst, src
	}
	return Key{src.Addr(), dst.Addr(), src.Port(), dst.Port(), proto}, fromB
}

// Flow is what was counted of a conversation since it was drained last: differences to add.
type Flow struct {
	Key
	Packets, Bytes [2]uint64 // A to B, B to A; bytes are lengths on the wire
	Flags          [2]uint8  // TCP flags seen, or'ed, since the conversation was first seen
	First, Last    time.Time // of the whole conversation
	FromB          bool      // the first packet was sent by B
	VLANs          [2]uint16 // of the first packet, outermost first
}

func (k Key) kernel() kernelKey {
	r := kernelKey{PortA: k.PortA, PortB: k.PortB, Proto: k.Proto}
	if k.A.Is4() {
		r.Family = 4
		a, b := k.A.As4(), k.B.As4()
		copy(r.A[12:], a[:])
		copy(r.B[12:], b[:])
		return r
	}
	r.Family, r.A, r.B = 6, k.A.As16(), k.B.As16()
	return r
}

func (k *kernelKey) key() Key {
	r := Key{PortA: k.PortA, PortB: k.PortB, Proto: k.Proto}
	if k.Family == 4 {
		r.A, r.B = netip.AddrFrom4([4]byte(k.A[12:])), netip.AddrFrom4([4]byte(k.B[12:]))
		return r
	}
	r.A, r.B = netip.AddrFrom16(k.A), netip.AddrFrom16(k.B)
	return r
}

const (
	// A conversation without packets for so long is forgotten; one that never carried anything, as scans leave behind, sooner.
	idleData  = 5 * time.Minute
	idleEmpty = time.Minute
	// The same when the table is more than three quarters full.
	idleDataFull  = 30 * time.Second
	idleEmptyFull = 2 * time.Second

	// batch is how many entries are read at once: with more, capture on the same CPU loses packets meanwhile.
	batch = 64
)

// sweep is the state of going through the table.
type sweep struct {
	drained map[kernelKey]counted // what was given of each entry
	cursor  *ebpf.MapBatchCursor  // nil: at the beginning
	keys    []kernelKey
	values  []kernelFlow
	cpu     []kernelFlow
}

type counted struct{ packets, bytes [2]uint64 }

// Drain goes on through the table and appends to dst what was counted since an entry was last given, looking at
// about limit entries. Done says that it came to the table's end; the next call begins again. Entries that have been idle are
// removed, and what they had counted is given before.
func (o *Objects) Drain(dst []Flow, limit int) (flows []Flow, done bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.drain(dst, limit, newClock())
}

func (o *Objects) drain(dst []Flow, limit int, c clock) (flows []Flow, done bool, err error) {
	s := &o.sweep
	if s.drained == nil {
		s.drained, s.cpu = make(map[kernelKey]counted), make([]kernelFlow, o.cpus)
		s.room(batch, o.cpus)
	}
	for looked := 0; looked < limit; {
		if s.cursor == nil {
			s.cursor = new(ebpf.MapBatchCursor)
		}
		var n int
		n, err = o.maps[kernelMapFlows].BatchLookup(s.cursor, s.keys, s.values, nil)
		if errors.Is(err, unix.ENOSPC) { // more entries share a place of the table than fit
			s.room(2*len(s.keys), o.cpus)
			continue
		}
		done = errors.Is(err, ebpf.ErrKeyNotExist)
		if err != nil && !done {
			s.cursor = nil
			return dst, true, fmt.Errorf("bpf: read the counters: %w", err)
		}
		for i := range n {
			if dst, err = o.entry(dst, &s.keys[i], s.values[i*o.cpus:(i+1)*o.cpus], c); err != nil {
				return dst, done, err
			}
		}
		looked += n
		if done {
			s.cursor = nil
			return dst, true, nil
		}
	}
	return dst, false, nil
}

func (s *sweep) room(n, cpus int) {
	s.keys, s.values = make([]kernelKey, n), make([]kernelFlow, n*cpus)
}

// entry gives what is new of an entry, and removes it when it is idle.
func (o *Objects) entry(dst []Flow, k *kernelKey, cpus []kernelFlow, c clock) ([]Flow, error) {
	v := merge(cpus)
	gone := c.now-min(v.Last, c.now) > uint64(o.idle(v.Data != 0))
	if gone {
		// Between the look above and the removal more may have been counted.
		err := o.maps[kernelMapFlows].LookupAndDelete(k, &o.sweep.cpu)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			gone = false
		} else if err != nil {
			return dst, fmt.Errorf("bpf: remove an idle conversation: %w", err)
		} else {
			v = merge(o.sweep.cpu)
		}
	}
	old := o.sweep.drained[*k]
	if v.Packets != old.packets {
		f := Flow{
			Key: k.key(), Flags: v.Flags, First: c.time(v.First), Last: c.time(v.Last), FromB: v.FromB != 0, VLANs: v.Vlans,
		}
		for d := range 2 {
			f.Packets[d], f.Bytes[d] = v.Packets[d]-old.packets[d], v.Bytes[d]-old.bytes[d]
		}
		dst = append(dst, f)
	}
	if !gone {
		o.sweep.drained[*k] = counted{v.Packets, v.Bytes}
		return dst, nil
	}
	delete(o.sweep.drained, *k)
	return dst, o.unmark(*k)
}

// idle is how long a conversation may be silent.
func (o *Objects) idle(data bool) time.Duration {
	full := len(o.sweep.drained) > int(o.maps[kernelMapFlows].MaxEntries())/4*3
	switch {
	case full && data:
		return idleDataFull
	case full:
		return idleEmptyFull
	case data:
		return idleData
	}
	return idleEmpty
}

// merge adds what the CPUs counted.
func merge(cpus []kernelFlow) (v kernelFlow) {
	for i := range cpus {
		c := &cpus[i]
		if c.First == 0 {
			continue
		}
		if v.First == 0 || c.First < v.First {
			v.First, v.FromB, v.Vlans = c.First, c.FromB, c.Vlans
		}
		v.Last = max(v.Last, c.Last)
		v.Data |= c.Data
		for d := range 2 {
			v.Packets[d] += c.Packets[d]
			v.Bytes[d] += c.Bytes[d]
			v.Flags[d] |= c.Flags[d]
		}
	}
	return v
}

// clock turns the kernel's monotonic time into that of the wall.
type clock struct {
	now  uint64 // monotonic, ns
	wall time.Time
}

func newClock() clock {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return clock{}
	}
	return clock{uint64(t.Nano()), time.Now().UTC().Round(0)}
}

func (c clock) time(ns uint64) time.Time { return c.wall.Add(time.Duration(int64(ns - c.now))) }
