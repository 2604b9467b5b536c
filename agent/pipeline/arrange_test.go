package pipeline

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What is arranged is what a stable sort makes of it.
func TestArrange(t *testing.T) {
	type record struct{ key, came int }
	rapid.Check(t, func(t *rapid.T) {
		list := make([]record, rapid.IntRange(0, 40).Draw(t, "records"))
		for i := range list {
			list[i] = record{rapid.IntRange(0, 9).Draw(t, "key"), i}
		}
		want := slices.Clone(list)
		slices.SortStableFunc(want, func(x, y record) int { return cmp.Compare(x.key, y.key) })
		arrange(list, func(x, y *record) int { return cmp.Compare(x.key, y.key) })
		if !slices.Equal(list, want) {
			t.Fatalf("%v, want %v", list, want)
		}
	})
}
