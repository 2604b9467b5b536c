package nameplate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spanwatch/spanwatch/protocols"
)

func TestAppend(t *testing.T) {
	type facts map[protocols.FactKey]string
	for text, want := range map[string]facts{
		"": {},
		"Siemens, SIMATIC NET, SCALANCE X212-2, 6GK5 212-2BB00-2AA3, HW: 7, FW: V4.02": {
			"vendor": "Siemens", "model": "SCALANCE X212-2", "order-number": "6GK5 212-2BB00-2AA3", "hardware": "7",
			"firmware": "V4.02", "role": "network",
		},
		"Siemens, SIMATIC S7, CPU 1215C, 6ES7 215-1AG40-0XB0 , HW: 1, FW: V.4.2.1, S C-J2U51234": {
			"vendor": "Siemens", "model": "CPU 1215C", "order-number": "6ES7 215-1AG40-0XB0", "hardware": "1",
			"firmware": "V.4.2.1", "serial": "S C-J2U51234", "role": "plc",
		},
		"Siemens, SIMATIC NET, SCALANCE X208, 6GK5 208-0BA10-2AA3, HW: Version 4, FW: Version V5.2.1": {
			"vendor": "Siemens", "model": "SCALANCE X208", "order-number": "6GK5 208-0BA10-2AA3", "hardware": "4",
			"firmware": "V5.2.1", "role": "network",
		},
		"Works, Line, Model 7, 12-34, HW: 2": {"vendor": "Works", "model": "Model 7", "hardware": "2"},
		"HW: 1, FW: 2":                       {},
		"Cisco IOS Software, C2960 Software (C2960-LANBASEK9-M), Version 15.0(2)SE4, RELEASE SOFTWARE (fc1)": {
			"vendor": "Cisco", "firmware": "15.0(2)SE4", "role": "network",
		},
		"Hirschmann MACH":                {"vendor": "Hirschmann", "role": "network"},
		"Linux plc 4.9.0 #1 SMP":         {},
		"Version upon request":           {},
		"Dell Inc. Vostro 3800,,JSJR542": {},
	} {
		like := protocols.Fact{About: protocols.Server, Module: "here"}
		got := facts{}
		for _, f := range Append(nil, like, text) {
			if f.About != like.About || f.Module != like.Module || f.Confidence == 0 {
				t.Errorf("%q: %+v", text, f)
			}
			got[f.Key] = f.Value
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestName(t *testing.T) {
	for name, want := range map[string]protocols.FactKey{
		"switch1": protocols.FactName, "rtr01.example": protocols.FactFQDN, "rtr01.": protocols.FactName,
		"Rev 1.2": protocols.FactName,
	} {
		if got := Name(protocols.Fact{}, name, 1); got.Key != want || got.Value != name {
			t.Errorf("%q is %v", name, got)
		}
	}
}
