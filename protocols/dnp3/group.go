package dnp3

import "github.com/spanwatch/spanwatch/protocols"

// form is how the object of a variation is laid out.
type form struct {
	size   int                 // octets; packed: bits
	kind   protocols.ValueType // of the value
	at     int                 // where the value begins
	octets int                 // of the value
	flags  bool                // the first octet is flags
	status int                 // index of a command's status, or 0
	time   int                 // index of a time of six octets, or 0
	packed bool
	state  int  // the value is in the top bits of the flags: how many
	own    bool // the object says its size
}

// group is a row of the object groups.
type group struct {
	area   string
	forms  []form           // by variation, from 1 on
	read   protocols.Action // what polling it does; ActionNone: read
	write  protocols.Action // what writing it does; ActionNone: write
	orders bool             // objects of a command, whoever sends them
}

const timeLen = 6

// The forms that occur in several groups.
var (
	bits     = form{size: 1, kind: protocols.ValueBits, packed: true}
	pairs    = form{size: 2, kind: protocols.ValueBytes, packed: true}
	stamp    = form{size: timeLen, time: 0, kind: protocols.ValueUint, octets: timeLen}
	unread   = form{}
	ownSized = form{own: true}
)

// state is flags with one or two bits of value at their top, and n octets of time behind.
func state(bits, n int) form {
	f := form{size: 1 + n, kind: protocols.ValueBool, flags: true, state: bits}
	if bits == 2 {
		f.kind = protocols.ValueUint
	}
	if n == timeLen {
		f.time = 1
	}
	return f
}

// number is a value of n octets behind flags.
func number(kind protocols.ValueType, n int) form {
	return form{size: 1 + n, kind: kind, at: 1, octets: n, flags: true}
}

// bare is a value of n octets.
func bare(kind protocols.ValueType, n int) form { return form{size: n, kind: kind, octets: n} }

// timed is a value of n octets between flags and a time.
func timed(kind protocols.ValueType, n int) form {
	return form{size: 1 + n + timeLen, kind: kind, at: 1, octets: n, flags: true, time: 1 + n}
}

// order is a value of n octets and a status.
func order(kind protocols.ValueType, n int) form {
	return form{size: n + 1, kind: kind, octets: n, status: n}
}

const (
	kUint  = protocols.ValueUint
	kInt   = protocols.ValueInt
	kFloat = protocols.ValueFloat
)

var (
	binaryEvents  = []form{state(1, 0), state(1, timeLen), state(1, 2)}
	doubleEvents  = []form{state(2, 0), state(2, timeLen), state(2, 2)}
	counterEvents = []form{
		number(kUint, 4), number(kUint, 2), number(kUint, 4), number(kUint, 2),
		timed(kUint, 4), timed(kUint, 2), timed(kUint, 4), timed(kUint, 2),
	}
	analogEvents = []form{
		number(kInt, 4), number(kInt, 2), timed(kInt, 4), timed(kInt, 2),
		number(kFloat, 4), number(kFloat, 8), timed(kFloat, 4), timed(kFloat, 8),
	}
	block = form{size: 11, status: 10}
)

// Groups that are read further than their table says.
const (
	groupAttributes = 0
	groupCommand    = 12
	groupTime       = 50
	groupClass      = 60
	groupFile       = 70
	groupIIN        = 80
	groupSecurity   = 120
)

// groups are by number (IEEE 1815-2012, annex A).
var groups = [256]group{
	groupAttributes: {area: "device-attribute", read: protocols.ActionIdentify, write: protocols.ActionConfigure},
	1:               {area: "binary-input", forms: []form{bits, state(1, 0)}}, 2: {area: "binary-input", forms: binaryEvents},
	3: {area: "double-bit-input", forms: []form{pairs, state(2, 0)}}, 4: {area: "double-bit-input", forms: doubleEvents},
	10:           {area: "binary-output", forms: []form{bits, state(1, 0)}},
	11:           {area: "binary-output", forms: []form{state(1, 0), state(1, timeLen)}},
	groupCommand: {area: "binary-output", forms: []form{block, block, bits}, orders: true},
	13:           {area: "binary-output", forms: []form{state(1, 0), state(1, timeLen)}},
	20: {area: "counter", forms: []form{
		number(kUint, 4), number(kUint, 2), number(kUint, 4), number(kUint, 2), bare(kUint, 4), bare(kUint, 2), bare(kUint, 4), bare(kUint, 2),
	}},
	21: {area: "frozen-counter", forms: append(append([]form{}, counterEvents...), bare(kUint, 4), bare(kUint, 2), bare(kUint, 4), bare(kUint, 2))},
	22: {area: "counter", forms: counterEvents}, 23: {area: "frozen-counter", forms: counterEvents},
	30: {area: "analog-input", forms: []form{number(kInt, 4), number(kInt, 2), bare(kInt, 4), bare(kInt, 2), number(kFloat, 4), number(kFloat, 8)}},
	31: {area: "frozen-analog-input", forms: []form{
		number(kInt, 4), number(kInt, 2), timed(kInt, 4), timed(kInt, 2), bare(kInt, 4), bare(kInt, 2), number(kFloat, 4), number(kFloat, 8),
	}},
	32: {area: "analog-input", forms: analogEvents}, 33: {area: "frozen-analog-input", forms: analogEvents},
	34: {area: "analog-deadband", forms: []form{bare(kUint, 2), bare(kUint, 4), bare(kFloat, 4)}, write: protocols.ActionConfigure},
	40: {area: "analog-output", forms: []form{number(kInt, 4), number(kInt, 2), number(kFloat, 4), number(kFloat, 8)}},
	41: {area: "analog-output", forms: []form{order(kInt, 4), order(kInt, 2), order(kFloat, 4), order(kFloat, 8)}, orders: true},
	42: {area: "analog-output", forms: analogEvents}, 43: {area: "analog-output", forms: analogEvents},
	groupTime: {
		area: "clock", write: protocols.ActionConfigure,
		forms: []form{stamp, {size: 10, kind: kUint, octets: timeLen}, stamp, {size: 11, kind: kUint, octets: timeLen}},
	},
	51: {area: "common-time", forms: []form{stamp, stamp}}, 52: {area: "time-delay", forms: []form{bare(kUint, 2), bare(kUint, 2)}},
	groupClass: {area: "class", forms: []form{unread, unread, unread, unread}},
	groupFile:  {area: "file", read: protocols.ActionFile, write: protocols.ActionFile},
	groupIIN:   {area: "indication", forms: []form{bits}, write: protocols.ActionConfigure},
	81:         {area: "device-storage", forms: []form{bare(protocols.ValueBytes, 3)}}, 82: {area: "device-profile"}, 83: {area: "private-registration"},
	85: {area: "data-set-prototype", write: protocols.ActionConfigure}, 86: {area: "data-set-descriptor", write: protocols.ActionConfigure},
	87: {area: "data-set"}, 88: {area: "data-set"}, 90: {area: "application"}, 91: {area: "request-status"},
	101: {area: "bcd", forms: []form{bare(protocols.ValueBytes, 2), bare(protocols.ValueBytes, 4), bare(protocols.ValueBytes, 8)}},
	102: {area: "octet", forms: []form{bare(kUint, 1)}},
	110: {area: "octet-string"}, 111: {area: "octet-string"}, 112: {area: "virtual-terminal"}, 113: {area: "virtual-terminal"},
	groupSecurity: {area: "authentication", read: protocols.ActionLogin, write: protocols.ActionLogin},
	121:           {area: "security-statistic", forms: []form{{size: 7, kind: kUint, at: 3, octets: 4, flags: true}}},
	122: {area: "security-statistic", forms: []form{
		{size: 7, kind: kUint, at: 3, octets: 4, flags: true}, {size: 13, kind: kUint, at: 3, octets: 4, flags: true, time: 7},
	}},
}

// formOf gives the layout of a variation. Strings have the size that is their variation's number.
func formOf(number, variation uint8) (form, bool) {
	g := &groups[number]
	switch {
	case number == groupAttributes:
		return ownSized, true
	case number >= 110 && number <= 113:
		return bare(protocols.ValueText, int(variation)), variation > 0
	case variation == 0 || int(variation) > len(g.forms):
		return form{}, false
	default:
		return g.forms[variation-1], true
	}
}
