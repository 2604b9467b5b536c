package inventory

import (
	"cmp"
	"slices"
)

const maxSet = 32

// set is a small sorted set that never holds the zero value and stops at maxSet.
type set[T cmp.Ordered] []T

func (s *set[T]) add(v T) {
	var zero T
	if v == zero {
		return
	}
	if at, found := slices.BinarySearch(*s, v); !found && len(*s) < maxSet {
		*s = slices.Insert(*s, at, v)
	}
}

func (s *set[T]) union(o set[T]) {
	for _, v := range o {
		s.add(v)
	}
}

// bitset is 256 flags.
type bitset [4]uint64

func (b *bitset) set(n uint8)      { b[n/64] |= 1 << (n % 64) }
func (b *bitset) has(n uint8) bool { return b[n/64]>>(n%64)&1 == 1 }
