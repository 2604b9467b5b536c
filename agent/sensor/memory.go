package sensor

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
)

// memoryLimit is up to what the program's memory may grow before garbage is collected harder, in bytes: within what a small
// box has for it.
const memoryLimit = 240 << 20

// boundMemory keeps the program within the limit as far as what lives in memory has room there, unless GOMEMLIMIT says
// otherwise.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	debug.SetMemoryLimit(memoryFor(sample[0].Value.Uint64()))
}

// memoryFor gives the limit for what lives in memory: garbage, and what is not the heap, need a third as much beside it, lest
// collecting it take the processor.
func memoryFor(lives uint64) int64 { return max(memoryLimit, int64(lives+lives/3)) }
