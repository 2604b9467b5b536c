package sensor

import (
	"os"
	"runtime/debug"
)

// memoryLimit is what the program may take of memory before it collects garbage harder, in bytes: below what a sensor has
// on a small box, with room for what is not the heap's.
const memoryLimit = 224 << 20

// BoundMemory keeps the program within the memory of a small box, unless GOMEMLIMIT says otherwise.
func BoundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
