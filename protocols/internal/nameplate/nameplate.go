// Package nameplate reads what devices say of themselves in one line of free text: the description that neighbours
// announce and that management answers with.
//
// Only two plain forms are read. PROFINET devices write "vendor, family, model, order number, HW: …, FW: …, serial"
// (PROFINET guideline for identification, as Siemens, Hirschmann and others do); network equipment of Cisco's kind
// writes "product software, Version …, …". Of other texts only a product line that everybody knows is believed. The
// package invents nothing: a part that does not stand where it should is left out. It keeps no state.
package nameplate

import (
	"regexp"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

const (
	sure   = 80 // a field that says what it is
	likely = 70 // a field by its place, or a product line by its name
)

var (
	orderNumber = regexp.MustCompile(`^(6[A-Z]{2}[0-9A-Z]|943 ?\d{3})[0-9A-Z -]{6,20}$`)
	version     = regexp.MustCompile(`(?i)\bversion:? ([0-9][0-9A-Za-z.()_-]{0,40})`)
)

// lines are product lines with what they are: the vendor where the line is one vendor's, and the type of the device.
var lines = []struct{ text, vendor, role string }{
	{"SCALANCE", "Siemens", "network"},
	{"RUGGEDCOM", "Siemens", "network"},
	{"SIMATIC S7", "Siemens", "plc"},
	{"S7-1200", "Siemens", "plc"},
	{"S7-1500", "Siemens", "plc"},
	{"S7-300", "Siemens", "plc"},
	{"S7-400", "Siemens", "plc"},
	{"SIMATIC HMI", "Siemens", "hmi"},
	{"ET 200", "Siemens", "io"},
	{"ET200", "Siemens", "io"},
	{"SINAMICS", "Siemens", "drive"},
	{"Hirschmann", "Hirschmann", "network"},
	{"EDS-", "Moxa", "network"},
	{"Stratix", "Rockwell Automation", "network"},
	{"Cisco IOS", "Cisco", "network"},
	{"Cisco NX-OS", "Cisco", "network"},
	{"Cisco Adaptive Security", "Cisco", "network"},
	{"FL SWITCH", "Phoenix Contact", "network"},
}

// Append appends the facts that a text discloses about the device, each made from like with key, value and confidence
// filled in.
func Append(dst []protocols.Fact, like protocols.Fact, text string) []protocols.Fact {
	add := func(key protocols.FactKey, value string, confidence uint8) {
		if value = strings.TrimSpace(value); value != "" {
			like.Key, like.Value, like.Confidence = key, value, confidence
			dst = append(dst, like)
		}
	}
	known := fields(text, add)
	for _, l := range lines {
		if strings.Contains(text, l.text) {
			if !known {
				add(protocols.FactVendor, l.vendor, likely)
			}
			add(protocols.FactRole, l.role, likely)
			break
		}
	}
	if !known {
		if m := version.FindStringSubmatch(text); m != nil {
			add(protocols.FactFirmware, m[1], likely)
		}
	}
	return dst
}

// release gives the number behind a label: "FW: V4.02", in other lines "FW: Version V5.2.1".
func release(field, label string) string {
	return strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(field, label)), "Version ")
}

// fields reads the form of PROFINET devices, and reports whether the text has it: then its first field is the vendor.
func fields(text string, add func(protocols.FactKey, string, uint8)) bool {
	parts := strings.Split(text, ",")
	hardware, order := -1, -1
	for k, p := range parts {
		p = strings.TrimSpace(p)
		parts[k] = p
		switch {
		case hardware < 0 && strings.HasPrefix(p, "HW:"):
			hardware = k
		case order < 0 && orderNumber.MatchString(p):
			order = k
		}
	}
	if hardware < 3 {
		return false
	}
	add(protocols.FactVendor, parts[0], sure)
	add(protocols.FactHardware, release(parts[hardware], "HW:"), sure)
	if order > 1 {
		add(protocols.FactOrderNumber, parts[order], sure)
		add(protocols.FactModel, parts[order-1], sure)
	} else {
		add(protocols.FactModel, parts[hardware-2], likely)
	}
	if rest := parts[hardware+1:]; len(rest) > 0 && strings.HasPrefix(rest[0], "FW:") {
		add(protocols.FactFirmware, release(rest[0], "FW:"), sure)
		if len(rest) > 1 {
			add(protocols.FactSerial, rest[1], likely)
		}
	}
	return true
}

// Name gives the fact that a system's name is: a domain name, or the name itself.
func Name(like protocols.Fact, name string, confidence uint8) protocols.Fact {
	like.Key, like.Value, like.Confidence = protocols.FactName, name, confidence
	if strings.Contains(strings.Trim(name, "."), ".") && !strings.ContainsAny(name, " _/") {
		like.Key = protocols.FactFQDN
	}
	return like
}
