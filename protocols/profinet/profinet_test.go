package profinet

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

func titles() []string {
	var all []string
	for service, name := range services {
		all = append(all, name+"-ReqPDU")
		if service != serviceHello { // nobody answers a greeting
			all = append(all, name+"-ResPDU")
		}
	}
	return all
}

func TestConformance(t *testing.T) { protocoltest.Run(t, Spec, "testdata", titles()...) }

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }
