package mms

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

// messages gives the names in all tables; a test of the tables asks for each in some case.
func messages() []string {
	var names []string
	for _, table := range [][]service{services[:], unconfirmed[:]} {
		for _, row := range table {
			names = append(names, row.name)
		}
	}
	for i, p := range pdus {
		if i >= confirmedError && i != unconfirmedPDU {
			names = append(names, p.name)
		}
	}
	return names
}

func TestConformance(t *testing.T) { protocoltest.Run(t, Spec, "testdata", messages()...) }

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }

var _ protocols.Asker = (*conversation)(nil)
