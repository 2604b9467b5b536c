package enip

// vendors are makers by the number that ODVA gave them, as far as they are commonly met in plants.
var vendors = map[uint16]string{
	1: "Rockwell Automation", 3: "Honeywell", 4: "Parker Hannifin", 5: "Rockwell Automation", 7: "SMC", 8: "Molex", 11: "ASCO",
	12: "Banner Engineering", 13: "Belden", 26: "Festo", 40: "WAGO", 43: "Balluff", 44: "Yaskawa", 46: "ABB", 47: "Omron",
	48: "Turck", 50: "Real Time Automation", 52: "Numatics", 56: "Softing", 57: "Pepperl+Fuchs", 68: "Eaton", 74: "Hitachi",
	75: "ABB", 77: "Rockwell Automation", 83: "Opto 22", 87: "Bürkert", 90: "HMS Industrial Networks", 94: "Advantech",
	97: "Danfoss", 100: "Bosch Rexroth", 108: "Beckhoff", 109: "National Instruments", 121: "KUKA", 145: "Siemens",
	161: "Mitsubishi Electric", 176: "Red Lion Controls", 181: "Pilz", 243: "Schneider Electric", 245: "Weidmüller",
	250: "Yokogawa", 254: "Control Technology", 255: "Bosch Rexroth", 256: "Turck", 257: "Control Techniques",
	259: "LS Electric", 283: "Hilscher", 287: "Bosch Rexroth", 309: "ProSoft Technology", 315: "SEW-Eurodrive",
	319: "Fuji Electric", 322: "ifm electronic", 326: "GE Fanuc", 344: "KEBA", 345: "Endress+Hauser", 356: "FANUC",
	361: "Wonderware", 367: "Keyence", 445: "Lenze", 482: "Koyo Electronics", 511: "SICK", 553: "Control Techniques",
	562: "Phoenix Contact", 591: "FANUC", 593: "ABB", 634: "Hirschmann", 640: "Murrelektronik", 645: "Bihl+Wiedemann",
	660: "AutomationDirect", 666: "Mettler-Toledo", 678: "Cognex", 680: "Weidmüller", 722: "ABB", 771: "SICK", 796: "Siemens",
	808: "SICK", 862: "Siemens", 887: "B&R Industrial Automation", 939: "Cisco", 971: "Siemens", 991: "Moxa",
	1015: "Weidmüller", 1059: "Delta Electronics", 1109: "Inductive Automation", 1182: "Endress+Hauser",
}

// deviceTypes are the device profiles (Volume 1, chapter 6) with the role that they play in a plant, and how certain that
// is: an adapter may be a station of its own, or the door to a rack with a controller in it.
var deviceTypes = map[uint16]struct {
	name       string
	role       string
	confidence uint8
}{
	0x00: {name: "Generic Device"},
	0x02: {"AC Drive", "drive", 90},
	0x03: {name: "Motor Overload"},
	0x04: {"Limit Switch", "io", 80},
	0x05: {"Inductive Proximity Switch", "io", 80},
	0x06: {"Photoelectric Sensor", "io", 80},
	0x07: {"General Purpose Discrete I/O", "io", 90},
	0x09: {"Resolver", "io", 80},
	0x0c: {"Communications Adapter", "gateway", 40},
	0x0e: {"Programmable Logic Controller", "plc", 90},
	0x10: {"Position Controller", "drive", 80},
	0x13: {"DC Drive", "drive", 90},
	0x15: {"Contactor", "io", 70},
	0x16: {"Motor Starter", "drive", 70},
	0x17: {"Soft Start", "drive", 70},
	0x18: {"Human-Machine Interface", "hmi", 90},
	0x1a: {"Mass Flow Controller", "io", 70},
	0x1b: {"Pneumatic Valve", "io", 80},
	0x1c: {"Vacuum Pressure Gauge", "io", 80},
	0x1d: {"Process Control Valve", "io", 80},
	0x1e: {name: "Residual Gas Analyzer"},
	0x1f: {name: "DC Power Generator"},
	0x20: {name: "RF Power Generator"},
	0x21: {name: "Turbomolecular Vacuum Pump"},
	0x22: {"Encoder", "io", 80},
	0x23: {"Safety Discrete I/O Device", "safety", 80},
	0x24: {"Fluid Flow Controller", "io", 70},
	0x25: {"CIP Motion Drive", "drive", 90},
	0x26: {"CompoNet Repeater", "network", 80},
	0x27: {"Mass Flow Controller, Enhanced", "io", 70},
	0x28: {"CIP Modbus Device", "io", 50},
	0x29: {"CIP Modbus Translator", "gateway", 90},
	0x2a: {"Safety Analog I/O Device", "safety", 80},
	0x2b: {name: "Generic Device, keyable"},
	0x2c: {"Managed Ethernet Switch", "network", 90},
	0x2d: {"CIP Motion Safety Drive Device", "drive", 90},
	0x2e: {"Safety Drive Device", "drive", 90},
	0x2f: {"CIP Motion Encoder", "io", 80},
	0x30: {name: "CIP Motion Converter"},
	0x31: {"CIP Motion I/O", "io", 90},
	0x32: {"ControlNet Physical Layer Component", "network", 80},
	0x33: {name: "Circuit Breaker"},
	0x34: {"HART Device", "io", 70},
	0x35: {"CIP-HART Translator", "gateway", 90},
}
