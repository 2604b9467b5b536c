package s7

// szlNames names the system status lists by the lower byte of their number; the upper one chooses a part of the list.
var szlNames = [256]string{
	0x00: "lists that there are", 0x11: "module identification", 0x12: "CPU characteristics", 0x13: "memory areas",
	0x14: "system areas", 0x15: "block types", 0x16: "priority classes", 0x17: "system data blocks",
	0x18: "I/O configuration", 0x19: "lights", 0x1c: "component identification", 0x21: "interrupt assignment",
	0x22: "interrupt status", 0x23: "priority classes", 0x24: "modes", 0x25: "process image partitions",
	0x31: "communication capability", 0x32: "communication status", 0x33: "diagnostic log-on", 0x37: "Ethernet details",
	0x71: "redundant CPUs", 0x74: "lights", 0x75: "redundant DP slaves", 0x81: "start information",
	0x82: "start events", 0x90: "DP master systems", 0x91: "module status", 0x92: "rack status", 0x94: "rack status",
	0x95: "DP master systems", 0x96: "module status", 0xa0: "diagnostic buffer", 0xb1: "module diagnostics",
	0xb2: "module diagnostics", 0xb3: "module diagnostics", 0xb4: "DP slave diagnostics",
}

// szlDetails is the table of lists whose records a detail shows, by the lower byte of their number.
var szlDetails = [256]func(*Detail, []byte){
	0x19: lightDetail, 0x74: lightDetail, 0xa0: diagnosticDetail, 0x32: switchDetail,
}

// switches are the positions of the mode switch, as the record of protection tells them.
var switches = [...]string{1: "RUN", 2: "RUN-P", 3: "STOP", 4: "MRES"}

// switchDetail copies where the mode switch stands: after index, and the levels by key, by parameter and in force.
func switchDetail(d *Detail, record []byte) {
	if len(record) < 10 || record[1] != indexProtection || record[0]&0x0f != 0 {
		return
	}
	if n := int(record[9]); record[8] == 0 && n < len(switches) {
		d.ModeSwitch = switches[n]
	}
}
