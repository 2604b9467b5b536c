package bacnet

// vendors are those of ASHRAE's list of vendor identifiers that buildings and plants are full of, as people call them.
var vendors = map[uint32]string{
	0: "ASHRAE", 2: "Trane", 3: "Daikin Applied", 5: "Johnson Controls", 6: "ABB", 7: "Siemens", 8: "Delta Controls",
	9: "Siemens", 10: "Schneider Electric", 11: "TAC", 13: "Teletrol", 14: "Cimetrics", 16: "Carrier", 17: "Honeywell",
	18: "Alerton", 19: "TAC", 22: "Siemens", 23: "York", 24: "Automated Logic", 26: "Phoenix Controls", 28: "KMC Controls",
	32: "Simplex", 34: "Notifier", 35: "Reliable Controls", 36: "Tridium", 39: "Kieback & Peter", 42: "Acuity Brands",
	50: "MBS", 51: "Samson", 53: "Daikin", 56: "Liebert", 64: "Dunham-Bush", 65: "Reliance Electric", 73: "ABB",
	77: "Carel", 79: "Hochiki", 80: "Sauter", 82: "Mitsubishi Electric", 84: "Xylem", 85: "Azbil", 86: "Watt Stopper",
	89: "Saia-Burgess", 90: "Hitachi", 91: "Trend", 95: "Richards-Zeta", 98: "Toshiba", 99: "Mitsubishi Electric",
	105: "Priva", 107: "Johnson Controls", 109: "Neuberger", 111: "Leviton", 112: "Fujitsu", 113: "Vertiv", 123: "SCADA Engine",
	124: "Lenze", 127: "ABB", 129: "Toshiba Carrier", 133: "Veris Industries", 140: "Viconics", 141: "Yaskawa", 142: "DEOS",
	148: "Temco Controls", 150: "Advantech", 158: "Price Industries", 160: "Rockwell Automation", 162: "ASI Controls",
	163: "SysMik", 166: "Cooper Controls", 169: "Vacon", 171: "Cylon", 176: "Lutron", 178: "Loytec", 222: "WAGO",
}
