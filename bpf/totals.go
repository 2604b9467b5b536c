package bpf

import "fmt"

// Totals are sums over all packets that the programs saw.
type Totals struct {
	Packets, Bytes uint64
	Flows          uint64 // packets counted with their conversation
	Overflow       uint64 // packets that were not, because the table was full
	Other          Other
	Passed         uint64 // packets let through
}

// Other are packets of no conversation that the programs can tell, by reason.
type Other struct {
	NoIP, Fragments, Quotes, Malformed uint64
	Beyond                             uint64 // headers go on beyond the window
}

// Sum is all of them.
func (o Other) Sum() uint64 { return o.NoIP + o.Fragments + o.Quotes + o.Malformed + o.Beyond }

// Dropped is how many packets were counted and not let through.
func (t Totals) Dropped() uint64 { return t.Packets - t.Passed }

// Totals adds what all CPUs counted. Packets is Flows, Overflow and Other together.
func (o *Objects) Totals() (Totals, error) {
	cpus := make([]kernelSums, o.cpus)
	if err := o.maps[kernelMapTotals].Lookup(uint32(0), &cpus); err != nil {
		return Totals{}, fmt.Errorf("bpf: totals: %w", err)
	}
	var t Totals
	for i := range cpus {
		c := &cpus[i]
		t.Packets += c.Packets
		t.Bytes += c.Bytes
		t.Flows += c.Flows
		t.Overflow += c.Overflow
		t.Passed += c.Passed
		// In the order of the OTHER_ constants.
		for i, n := range []*uint64{&t.Other.NoIP, &t.Other.Fragments, &t.Other.Quotes, &t.Other.Malformed, &t.Other.Beyond} {
			*n += c.Other[i]
		}
	}
	return t, nil
}
