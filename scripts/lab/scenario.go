package main

import (
	"strings"
	"time"
)

// A program that runs in one host of the plant until the end.
type program struct {
	host string
	log  string
	argv []string
}

// A step is something that happens once and has a row in the timeline.
type step struct {
	name       string
	host       string
	ports      []uint16 // of its conversations, by which its frames are found
	techniques string   // ATT&CK for ICS; empty for what belongs to the plant
	what       string
	argv       []string
	pause      time.Duration // after it, so that steps do not overlap in the capture
}

// python is Debian's own, since only that has the pinned pymodbus.
const python = "/usr/bin/python3"

const (
	modbusScript = "scripts/lab/modbus/plc.py"
	s7Server     = "scripts/lab/s7/plc.py"
	s7Client     = "scripts/lab/s7/client.py"
)

// servers run before anybody asks them anything.
func servers() []program {
	all := []program{
		{"scada-01", "scada-01-opcua", []string{"opcua-server", address("scada-01"), "scada-01", "Waterworks SCADA"}},
		{"files-01", "files-01", []string{"office", "serve"}},
		{"gw-01", "gw-01", append([]string{"office", "serve"}, names()...)},
	}
	for _, name := range []string{"plc-intake", "plc-dosing", "plc-pressure", "meter-feed"} {
		all = append(all, program{name, name, []string{python, modbusScript, name, address(name)}})
	}
	for _, plc := range []struct{ name, serial, system string }{
		{"plc-filter", "S C-X4U421302008", "WTP-FILTER-1"},
		{"plc-highlift", "S C-X4U421302009", "WTP-HILIFT-1"},
	} {
		all = append(all,
			program{plc.name, plc.name, []string{python, s7Server, plc.name, "127.0.0.1"}},
			program{plc.name, plc.name + "-relay", []string{"s7relay", "-listen", address(plc.name) + ":102",
				"-identity", "S C-C2UR28922012=" + plc.serial + ",SNAP7-SERVER=" + plc.system}})
	}
	return all
}

func names() []string {
	var out []string
	for _, h := range plant {
		out = append(out, h.name+"="+h.ip)
	}
	return out
}

func addresses(names ...string) []string {
	var out []string
	for _, n := range names {
		out = append(out, address(n))
	}
	return out
}

// panels poll before the recording begins, so that their conversations start in the middle, as nearly
// all do that a sensor finds in a running plant.
func panels() []program {
	return []program{
		{"hmi-01", "hmi-01", append([]string{"modbusclient", "poll", "-every", "1s", "-read", "3:0:20,1:0:8",
			"-heartbeat", "2"}, addresses("plc-intake", "plc-dosing", "plc-pressure")...)},
		{"hmi-02", "hmi-02", append([]string{python, s7Client, "poll"}, addresses("plc-filter", "plc-highlift")...)},
	}
}

// clients begin within the recording.
func clients() []program {
	all := []program{
		{"scada-01", "scada-01-modbus", append([]string{"modbusclient", "poll", "-every", "2s", "-read", "4:0:8,2:0:8"},
			addresses("plc-intake", "plc-dosing", "plc-pressure", "meter-feed")...)},
		{"historian-01", "historian-01", []string{"opcuaclient", "historian", address("scada-01"),
			"ns=1;s=Intake.Level", "ns=1;s=Dosing.Chlorine", "ns=1;s=HighLift.Pressure",
			"ns=1;s=Intake.Strokes", "ns=1;s=Intake.Setpoint", "ns=1;s=HighLift.Setpoint"}},
	}
	for _, v := range []struct{ name, seconds string }{
		{"office-pc-1", "7"}, {"office-pc-2", "11"}, {"historian-01", "30"}, {laptop, "13"},
	} {
		h := find(v.name)
		all = append(all, program{h.name, h.name + "-office",
			[]string{"office", "visit", h.name, h.mac, h.ip, address("gw-01"), v.seconds}})
	}
	resolve := func(host string, names ...string) program {
		return program{host, host + "-names", append([]string{"office", "resolve", address("gw-01"), "60"}, names...)}
	}
	return append(all,
		resolve("scada-01", "plc-intake", "plc-dosing", "plc-pressure", "meter-feed"),
		resolve("historian-01", "scada-01"),
		resolve("eng-station", "plc-filter", "plc-highlift", "hmi-01", "hmi-02"),
		program{"office-pc-1", "office-pc-1-ping", []string{"ping", "-i", "10", address("gw-01")}},
		program{"eng-station", "eng-station-ping", []string{"ping", "-i", "15", address("files-01")}})
}

// maintenance is what the engineering station legitimately does once.
func maintenance() []step {
	return []step{
		{"engineer-identifies-modbus", "eng-station", []uint16{502}, "", "engineering station reads the identity of plc-intake",
			[]string{"modbusclient", "identify", address("plc-intake")}, 2 * time.Second},
		{"engineer-identifies-s7", "eng-station", []uint16{102}, "", "engineering station reads the identity of plc-filter",
			[]string{python, s7Client, "identify", address("plc-filter")}, 0},
	}
}

// attack is what the laptop does, in order. Counts are bounded by the tables.
func attack() []step {
	modbus := addresses("plc-intake", "plc-dosing", "plc-pressure", "meter-feed")
	intake, dosing, pressure, meter := modbus[0], modbus[1], modbus[2], modbus[3]
	s7 := addresses("plc-filter", "plc-highlift")
	highlift, scada := s7[1], address("scada-01")
	py := func(command string, targets ...string) []string {
		return append([]string{python, s7Client, command}, targets...)
	}
	ports := func(p ...uint16) []uint16 { return p }
	const pause = 3 * time.Second
	return []step{
		{"scan", laptop, ports(502, 102, 4840), "T0846", "TCP connect scan of ports 502, 102 and 4840, also of addresses nobody has",
			[]string{"portscan", "10.20.10.10-10.20.10.23", "10.20.20.10-10.20.20.13", "10.20.20.29-10.20.20.31"}, pause},
		{"modbus-identify", laptop, ports(502), "T0846,T0888", "sweep of Modbus 43/14 over four controllers",
			append([]string{"modbusclient", "identify"}, modbus...), pause},
		{"modbus-read", laptop, ports(502), "T0801,T0861", "holding registers of four controllers (function 3)",
			append([]string{"modbusclient", "read", "-read", "3:0:20"}, modbus...), pause},
		{"modbus-write-single", laptop, ports(502), "T0836,T0855,T0806", "setpoints of four controllers (function 6)",
			[]string{"modbusclient", "write", intake + "=0:85", dosing + "=0:255", pressure + "=0:515", meter + "=0:2302"}, pause},
		{"modbus-write-multiple", laptop, ports(502), "T0836,T0855,T0806", "setpoint and actuator of three controllers (function 16)",
			[]string{"modbusclient", "write", intake + "=0:82,980", dosing + "=0:258,900", pressure + "=0:518,970"}, pause},
		{"modbus-write-refused", laptop, ports(502), "T0836,T0855", "a register that plc-pressure does not have (function 6, exception 2)",
			[]string{"modbusclient", "write", pressure + "=900:1"}, pause},
		{"opcua-browse", laptop, ports(4840), "T0846,T0861", "endpoints, session, browse from Root",
			[]string{"opcuaclient", "browse", scada}, pause},
		{"opcua-write", laptop, ports(4840), "T0855,T0836", "a measured value (BadNotWritable), then the setpoint of the high lift pumps (Good)",
			[]string{"opcuaclient", "write", scada, "ns=1;s=HighLift.Pressure=1.5", "ns=1;s=HighLift.Setpoint=5.9"}, pause},
		{"s7-identify", laptop, ports(102), "T0846,T0888", "system status lists 0x0011 and 0x001c of both S7 controllers",
			py("identify", s7...), pause},
		{"s7-list-blocks", laptop, ports(102), "T0888", "list of blocks of plc-highlift",
			py("blocks", highlift), pause},
		{"s7-upload", laptop, ports(102), "T0845", "OB1 out of plc-highlift (0x1D, 0x1E, 0x1F)",
			py("upload", highlift), pause},
		{"s7-download", laptop, ports(102), "T0843,T0889,T0821", "OB1 into plc-highlift (0x1A, 0x1B, 0x1C, PI _INSE)",
			py("download", highlift), pause},
		{"s7-stop", laptop, ports(102), "T0858,T0816", "PLC STOP of plc-highlift (0x29)",
			py("stop", highlift), pause},
	}
}

// verdict is what an EDR would say of the laptop, in the format that --verdicts takes.
func verdict() string {
	return strings.Join([]string{`{"ip":"` + address(laptop) + `"`, `"state":"confirmed"`, `"confidence":95`, `"source":"EDR"`,
		`"reason":"remote access trojan in memory, credentials dumped"`, `"reference":"EDR-2026-004711"`}, ",") + "}\n"
}
