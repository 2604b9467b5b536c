package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// watchEvery is how often a list that is watched is read anew.
const watchEvery = 2 * time.Second

// clearScreen moves the cursor to the upper left corner and clears what is below it (ECMA-48, CUP and ED).
const clearScreen = "\x1b[H\x1b[J"

// Watch shows a list again and again until ctx ends: on a terminal the whole of it, elsewhere only what is new or has
// changed, as lines. Only the first read may fail; later ones are tried again.
func (l List[R]) Watch(ctx context.Context, out io.Writer, v View, read func() ([]R, error)) error {
	file, isFile := out.(*os.File)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var before map[string]bool
	for {
		records, err := read()
		if err != nil && before == nil {
			return err
		}
		if err == nil {
			height := 0
			if isFile {
				_, height, _ = term.GetSize(int(file.Fd())) // 0: no terminal
			}
			if before, err = l.refresh(out, v, height, before, records); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// refresh shows one state of a list, and gives what stands in it now. Height is that of the terminal; 0: there is none.
func (l List[R]) refresh(out io.Writer, v View, height int, before map[string]bool, records []R) (map[string]bool, error) {
	head, lines, err := l.render(v, records)
	if err != nil {
		return nil, err
	}
	now := make(map[string]bool, len(lines))
	var text strings.Builder
	screen := height > 0
	if screen {
		text.WriteString(clearScreen)
		if room := max(height-3, 1); len(lines) > room { // below the heading, above what is left out and the cursor
			lines = append(lines[:room:room], fmt.Sprintf("… and %d more\n", len(lines)-room))
		}
	}
	if screen || before == nil {
		text.WriteString(head)
	}
	for _, line := range lines {
		// How a table is aligned depends on its other rows: that is no change.
		key := strings.Join(strings.Fields(line), " ")
		if now[key] = true; screen || !before[key] {
			text.WriteString(line)
		}
	}
	_, err = io.WriteString(out, text.String())
	return now, err
}
