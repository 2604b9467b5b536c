package modbus

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

func TestConformance(t *testing.T) {
	protocoltest.Run(t, Spec, "testdata", Messages()...)
}

func TestConformanceRTU(t *testing.T) {
	protocoltest.Run(t, RTU, "testdata/rtu")
}

func FuzzRTU(f *testing.F) { protocoltest.Fuzz(f, RTU, "testdata/rtu") }

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }
