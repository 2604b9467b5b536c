package s7

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
)

// Variables of numerical controls and drives. Their addresses name a module and a column of it, or a parameter.

// nckAreas are the areas of a numerical control, by the upper three bits of an address; the lower five are the unit.
var nckAreas = [8]string{
	"NCK", "NCK-mode-group", "NCK-channel", "NCK-axis", "NCK-tool", "NCK-feed-drive", "NCK-main-drive", "NCK-MMC",
}

// nckModules names the modules of a numerical control as its manuals do.
var nckModules = [256]string{
	0x10: "Y", 0x11: "YNCFL", 0x12: "FU", 0x13: "FA", 0x14: "TO", 0x15: "RP", 0x16: "SE", 0x17: "SGUD", 0x18: "LUD",
	0x19: "TC", 0x1a: "M", 0x1c: "WAL", 0x1e: "DIAG", 0x1f: "CC", 0x20: "FE", 0x21: "TD", 0x22: "TS", 0x23: "TG",
	0x24: "TU", 0x25: "TUE", 0x26: "TV", 0x27: "TM", 0x28: "TP", 0x29: "TPM", 0x2a: "TT", 0x2b: "TMV", 0x2c: "TMC",
	0x2d: "MGUD", 0x2e: "UGUD", 0x2f: "GUD4", 0x30: "GUD5", 0x31: "GUD6", 0x32: "GUD7", 0x33: "GUD8", 0x34: "GUD9",
	0x35: "PA", 0x36: "GD1", 0x37: "NIB", 0x38: "ETP", 0x39: "ETPD", 0x3a: "SYNACT", 0x3b: "DIAGN", 0x3c: "VSYN",
	0x3d: "TUS", 0x3e: "TUM", 0x3f: "TUP", 0x40: "TF", 0x41: "FB", 0x42: "SSP2", 0x43: "PUD", 0x44: "TOS",
	0x45: "TOST", 0x46: "TOE", 0x47: "TOET", 0x48: "AD", 0x49: "TOT", 0x4a: "AEV", 0x4b: "YFAFL", 0x4c: "FS",
	0x4d: "SD", 0x4e: "TAD", 0x4f: "TAO", 0x50: "TAS", 0x51: "TAM", 0x52: "TAP", 0x53: "MEM", 0x54: "SALUC",
	0x55: "AUXFU", 0x56: "TDC", 0x57: "CP", 0x5e: "nck_module_names", 0x6e: "SDME", 0x6f: "SPARPI", 0x70: "SEGA",
	0x71: "SEMA", 0x72: "SSP", 0x73: "SGA", 0x74: "SMA", 0x75: "SALAL", 0x76: "SALAP", 0x77: "SALA", 0x78: "SSYNAC",
	0x79: "SPARPF", 0x7a: "SPARPP", 0x7b: "SNCF", 0x7d: "SPARP", 0x7e: "SINF", 0x7f: "S",
}

const (
	nckLen   = 7 // area and unit, column, line, module, count of lines
	driveLen = 9 // five bytes of unknown meaning, parameter, index
)

// describeNCK names a variable of a numerical control by module and column, "SPARPP.28"; its lines are the elements.
func (it *item) describeNCK(o *protocols.Object, names *names) {
	o.Area, o.Unit, o.HasUnit = nckAreas[it.path[0]>>5], uint16(it.path[0]&0x1f), true
	o.First, o.Count = uint32(binary.BigEndian.Uint16(it.path[3:])), uint32(it.path[6])
	o.Name = names.column(it.path[5], binary.BigEndian.Uint16(it.path[1:]))
}

// describeDrive names a parameter of a drive: "p1900", with its index as the element.
func (it *item) describeDrive(o *protocols.Object, names *names) {
	o.Area, o.First, o.Count = "drive-parameter", uint32(binary.BigEndian.Uint16(it.path[7:])), 1
	o.Name = names.parameter(binary.BigEndian.Uint16(it.path[5:]))
}

// column names a column of a module of a numerical control.
func (n *names) column(module uint8, column uint16) string {
	key := binary.BigEndian.AppendUint16(append(n.scratch[:0], 'm', module), column)
	if text, ok := n.lookup(key); ok {
		return text
	}
	name := nckModules[module]
	if name == "" {
		name = fmt.Sprintf("module 0x%02x", module)
	}
	return n.keep(key, name+"."+strconv.Itoa(int(column)))
}

// parameter names a parameter of a drive.
func (n *names) parameter(number uint16) string {
	key := binary.BigEndian.AppendUint16(append(n.scratch[:0], 'p'), number)
	if text, ok := n.lookup(key); ok {
		return text
	}
	return n.keep(key, "p"+strconv.Itoa(int(number)))
}
