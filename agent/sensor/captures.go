package sensor

import (
	"errors"
	"slices"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/protocols/all"
)

// ErrProtocol is wrapped when a protocol is asked for that the program does not dissect.
var ErrProtocol = errors.New("dissect: no such protocol")

// Protocols gives the labels that dissect can be restricted to.
func Protocols() []string { return all.Labels() }

func knownProtocol(name string) bool { return slices.Contains(Protocols(), name) }

// openCaptures opens the files in order. Opening reads their headers, so that a wrong one is named before any work.
// Watch, unless nil, is told of every read.
func openCaptures(paths []string, watch func(n int)) (capture.Source, error) {
	files := make([]capture.Source, 0, len(paths))
	for i, path := range paths {
		f, err := capture.OpenWatched(path, uint16(i), watch)
		if err != nil {
			for _, open := range files {
				err = errors.Join(err, open.Close())
			}
			return nil, err
		}
		files = append(files, f)
	}
	return capture.Merge(files...), nil
}

// damage turns the error of a damaged capture into a warning when at least one packet was read before the damage.
func damage(err error, packets uint64) (warning string, _ error) {
	var damaged *capture.DamagedError
	if errors.As(err, &damaged) && packets > 0 {
		return err.Error(), nil
	}
	return "", err
}
