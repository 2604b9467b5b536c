// Package recognised tells protocols that the sensor does not read yet by their content, so that a site sees what
// passes on its links although nobody looks inside.
//
// Each protocol is a row of a table in the file of its family: the name that records carry, where it is usually
// served, and a look at the first bytes. A look is strict: it wants a long constant, or two independent signs where
// the constant is short; a port proves nothing. Of each side the first message gives one event, and the facts that lie
// open in it (a banner, the name of the software); everything after it is counted and not looked at, but for the greeting
// of a Telnet server, which comes behind its negotiation.
//
// The package refuses what cannot be told for certain: CONNACK and later messages of MQTT, the all-zero opening of
// GE-SRTP, telnet without a negotiation. Such bytes count as opaque.
//
// A dissector keeps at most 1 KiB of each side until the side's first message, or greeting, is complete, and nothing
// afterwards. It is used by one goroutine.
package recognised

import (
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

// families are the tables in the order in which their probes are asked: those of plants first, then by how telling the
// first bytes are.
var families = [][]protocol{
	iso, ethernet, controllers, instruments,
	remote, web, files, messaging, services, directories, databases,
}

// Specs gives a Spec for each protocol. All of them are CountOnly.
func Specs() []protocols.Spec { return slices.Clone(specs) }

var specs = func() []protocols.Spec {
	var list []protocols.Spec
	for _, family := range families {
		for i := range family {
			list = append(list, family[i].spec())
		}
	}
	return list
}()
