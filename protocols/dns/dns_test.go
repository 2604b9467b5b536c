package dns

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

func titles() []string {
	var all []string
	for _, table := range [][16]string{opcodes, responses} {
		for _, s := range table {
			if s != "" {
				all = append(all, s)
			}
		}
	}
	return append(all, "Unknown operation")
}

func TestConformance(t *testing.T) { protocoltest.Run(t, Spec, "testdata", titles()...) }

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }
