package netbios

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

func titles() []string {
	all := []string{"Node status request", "Node status response", "Unknown operation"}
	for _, op := range operations {
		if op.query != "" {
			all = append(all, op.query, op.response)
		}
	}
	return all
}

func TestConformance(t *testing.T) { protocoltest.Run(t, Spec, "testdata", titles()...) }

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }
