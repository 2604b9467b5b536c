// Package all is the list of protocols that the sensor reads. Adding a protocol is one folder and one line here.
//
// It owns the order in which the pipeline asks their probes when no port suggests one. It keeps no state.
package all

import (
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/bacnet"
	"github.com/spanwatch/spanwatch/protocols/cdp"
	"github.com/spanwatch/spanwatch/protocols/dhcp"
	"github.com/spanwatch/spanwatch/protocols/dnp3"
	"github.com/spanwatch/spanwatch/protocols/dns"
	"github.com/spanwatch/spanwatch/protocols/enip"
	"github.com/spanwatch/spanwatch/protocols/http"
	"github.com/spanwatch/spanwatch/protocols/iec104"
	"github.com/spanwatch/spanwatch/protocols/lldp"
	"github.com/spanwatch/spanwatch/protocols/mms"
	"github.com/spanwatch/spanwatch/protocols/modbus"
	"github.com/spanwatch/spanwatch/protocols/netbios"
	"github.com/spanwatch/spanwatch/protocols/opcua"
	"github.com/spanwatch/spanwatch/protocols/profinet"
	"github.com/spanwatch/spanwatch/protocols/recognised"
	"github.com/spanwatch/spanwatch/protocols/s7"
	"github.com/spanwatch/spanwatch/protocols/snmp"
	"github.com/spanwatch/spanwatch/protocols/ssh"
	"github.com/spanwatch/spanwatch/protocols/tls"
)

// Specs gives every protocol in probing order: those with the most telling first bytes come first. Two framings of one
// protocol are two Specs of one name.
func Specs() []protocols.Spec {
	return append([]protocols.Spec{
		opcua.Spec, s7.Spec, mms.Spec, modbus.Spec, modbus.RTU, enip.Spec,
		dhcp.Spec, dns.Spec, netbios.Spec, lldp.Spec, cdp.Spec, profinet.Spec, snmp.Spec, bacnet.Spec,
		iec104.Spec, dnp3.Spec,
		http.Spec, tls.Spec, ssh.Spec,
	}, recognised.Specs()...)
}

// Labels gives the label of everything that is dissected, each once, in the order of Specs.
func Labels() []string {
	var labels []string
	for _, spec := range Specs() {
		own := spec.Labels
		if own == nil {
			own = []string{spec.Name}
		}
		for _, label := range own {
			if !slices.Contains(labels, label) {
				labels = append(labels, label)
			}
		}
	}
	return labels
}
