package cli

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// ReadingProgress shows people on a terminal how much of some files was read, on standard error. Add is told of every read,
// and safe for use by any goroutine; done takes the bar away, so that what is said next stands on a line of its own. Where
// standard error is no terminal, or a file has no size, there is no bar, and add is nil.
func ReadingProgress(what string, files []string) (add func(n int), done func()) {
	total := int64(0)
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return nil, func() {}
		}
		total += info.Size()
	}
	if total == 0 || !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(24), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetRenderBlankState(true), progressbar.OptionClearOnFinish())
	// A terminal that does not take the bar is no reason to stop.
	return func(n int) { _ = bar.Add(n) }, func() { _ = bar.Finish() }
}
