package opcua

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

// messages are the names in the tables of message types and services.
func messages() []string {
	names := []string{"ServiceFault"}
	for _, k := range kinds {
		if !k.secure {
			names = append(names, k.name)
		}
	}
	for _, s := range serviceTable {
		names = append(names, s.name+"Request", s.name+"Response")
	}
	return names
}

func TestConformance(t *testing.T) {
	protocoltest.Run(t, Spec, "testdata", messages()...)
}

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }
