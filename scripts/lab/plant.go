package main

import (
	"fmt"
	"strings"
)

// A host of the plant, with what an inventory should find out about it. The addresses are the lab's
// own; the first three bytes of a MAC belong to the vendor that makes such a device.
type host struct {
	name, ip, mac string
	kind          string // as in device records: plc, hmi, …
	category      string // OT, Endpoint, Network device
	vendor, model string // as the device says itself, empty where it says nothing
	firmware      string
	serial        string
	speaks        string // protocols it serves and, after →, those it asks others with
}

const laptop = "eng-laptop"

var plant = []host{
	{"gw-01", "10.20.0.1", "2c:01:b5:1a:00:01", "network", "Network device", "", "", "", "", "dns, dhcp, icmp"},
	{"plc-intake", "10.20.10.11", "00:80:f4:0b:31:11", "plc", "OT", "Schneider Electric", "TM221CE24R", "1.10.2.2", "", "modbus"},
	{"plc-dosing", "10.20.10.12", "00:80:f4:0b:52:12", "plc", "OT", "Schneider Electric", "BMX P34 2020", "v2.60", "", "modbus"},
	{"plc-pressure", "10.20.10.13", "00:30:de:41:07:13", "plc", "OT", "WAGO Kontakttechnik GmbH & Co. KG", "750-881", "01.07.13", "", "modbus"},
	{"meter-feed", "10.20.10.14", "00:80:f4:70:c4:14", "io", "OT", "Schneider Electric", "METSEPM5560", "10.6.3", "", "modbus"},
	{"plc-filter", "10.20.10.21", "00:1b:1b:2e:60:21", "plc", "OT", "Siemens", "6ES7 315-2EH14-0AB0", "V3.2.6", "S C-X4U421302008", "s7comm"},
	{"plc-highlift", "10.20.10.22", "28:63:36:9c:11:22", "plc", "OT", "Siemens", "6ES7 315-2EH14-0AB0", "V3.2.6", "S C-X4U421302009", "s7comm"},
	{"hmi-01", "10.20.20.11", "00:d0:c9:8e:20:11", "hmi", "OT", "", "", "", "", "→ modbus"},
	{"hmi-02", "10.20.20.12", "00:1c:06:15:a2:12", "hmi", "OT", "", "", "", "", "→ s7comm"},
	{"scada-01", "10.20.20.30", "00:01:05:3a:77:30", "scada-server", "OT", "open62541", "open62541 OPC UA Server", "1.4.11-undefined", "", "opcua → modbus, dns"},
	{"historian-01", "10.20.20.40", "b8:ca:3a:6d:05:40", "historian", "OT", "", "", "", "", "→ opcua, dns, http"},
	{"files-01", "10.20.30.5", "98:e7:43:12:9f:05", "server", "Endpoint", "", "", "", "", "http, ssh"},
	{"eng-station", "10.20.30.10", "3c:d9:2b:52:8d:10", "engineering-station", "OT", "", "", "", "", "→ modbus, s7comm, dns"},
	{"office-pc-1", "10.20.30.21", "f8:b1:56:c0:44:21", "workstation", "Endpoint", "", "", "", "", "→ dns, dhcp, http, ssh"},
	{"office-pc-2", "10.20.30.22", "d4:be:d9:31:7e:22", "workstation", "Endpoint", "", "", "", "", "→ dns, dhcp, http, ssh"},
	{laptop, "10.20.30.66", "54:e1:ad:77:3b:66", "workstation", "Endpoint", "", "", "", "", "→ dns, dhcp, http, ssh; in the attack modbus, opcua, s7comm"},
}

// find returns the named host; a wrong name is a fault of the tables.
func find(name string) host {
	for _, h := range plant {
		if h.name == name {
			return h
		}
	}
	panic(fmt.Sprintf("lab: no host %q in the plant", name))
}

func address(name string) string { return find(name).ip }

// hostsTSV is the plant as the label file beside the captures.
func hostsTSV() string {
	var b strings.Builder
	b.WriteString("name\tip\tmac\ttype\tcategory\tvendor\tmodel\tfirmware\tserial\tspeaks\n")
	for _, h := range plant {
		b.WriteString(strings.Join([]string{h.name, h.ip, h.mac, h.kind, h.category, h.vendor, h.model, h.firmware, h.serial, h.speaks}, "\t") + "\n")
	}
	return b.String()
}
