package s7

import (
	"slices"
	"testing"

	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

// messages gives the names in all tables; a test of the tables asks for each in some case.
func messages() []string {
	var names []string
	for _, row := range functions {
		if row != nil {
			names = append(names, row.name)
		}
	}
	for _, g := range groups {
		if g == nil {
			continue
		}
		for _, row := range g.subs {
			if row != nil {
				names = append(names, row.name)
			}
		}
	}
	for _, row := range plusFunctions {
		names = append(names, row.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestConformance(t *testing.T) { protocoltest.Run(t, Spec, "testdata", messages()...) }

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }
