package enip

import (
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

// names gives the names in all tables; some case must show each.
func names() []string {
	list := []string{"Connected Data"}
	for _, c := range commands {
		if c != nil {
			list = append(list, c.name)
		}
	}
	add := func(services []service) {
		for _, s := range services {
			// Execute_PCCC is shown by the name of the command that it executes.
			if s.name != "" && !strings.HasPrefix(s.name, "Service 0x") && s.data != dataPCCC {
				list = append(list, s.name)
			}
		}
	}
	add(common[:])
	for _, c := range classes {
		add(c.services)
	}
	for _, f := range pcccFunctions {
		list = append(list, f.name)
	}
	return list
}

func TestConformance(t *testing.T) { protocoltest.Run(t, Spec, "testdata", names()...) }

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }
