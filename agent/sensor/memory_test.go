package sensor

import "testing"

func TestMemoryHasRoomForGarbage(t *testing.T) {
	for lives, want := range map[uint64]int64{0: memoryLimit, memoryLimit / 4 * 3: memoryLimit, memoryLimit: memoryLimit / 3 * 4, 3 << 30: 4 << 30} {
		if got := memoryFor(lives); got != want {
			t.Errorf("%d MiB live: a limit of %d MiB, want %d", lives>>20, got>>20, want>>20)
		}
	}
}
