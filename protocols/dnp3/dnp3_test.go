package dnp3

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

func TestConformance(t *testing.T) { protocoltest.Run(t, Spec, "testdata", Messages()...) }

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }
