package bacnet

import (
	"slices"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

// messages gives the names in all tables; a test of the tables asks for each in some case.
func messages() []string {
	names := slices.Clone(kindNames[segmentAck:])
	names = slices.DeleteFunc(names, func(s string) bool { return s == kindNames[errorPDU] })
	for _, row := range virtualLinks {
		if row.npdu == 0 {
			names = append(names, row.name)
		}
	}
	for _, row := range networkMessages {
		names = append(names, row.name)
	}
	for _, table := range [][]service{confirmed[:], unconfirmed[:]} {
		for _, row := range table {
			names = append(names, row.name)
		}
	}
	return names
}

func TestConformance(t *testing.T) { protocoltest.Run(t, Spec, "testdata", messages()...) }

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }

var _ protocols.Asker = (*dissector)(nil)
