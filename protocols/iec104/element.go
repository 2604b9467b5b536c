package iec104

import (
	"encoding/binary"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
)

// element is what an information object consists of, but for its address and its time tag. Its functions are given as
// many octets as its size says.
type element struct {
	size    int
	value   func(b []byte) protocols.Values
	quality *quality
	order   *order
	// qualifier gives the element's own qualifier where it is no order's: of an interrogation, a file, a parameter.
	qualifier func(b []byte) uint8
	// name names what the element is about, where the address does not.
	name func(b []byte) string
	// action gives what the element does where that depends on its content; ActionNone where it does not.
	action func(b []byte) protocols.Action
	// refuses reports whether the element says no.
	refuses func(b []byte) bool
}

// quality is a descriptor of bits that all are clear in a good value (IEC 60870-5-101, 7.2.6.1 to 10).
type quality struct {
	at    int
	names [8]string
}

// order is the qualifier of a command (IEC 60870-5-101, 7.2.6.26 and 39): select or execute, and how.
type order struct {
	at          int
	shift, mask uint8
}

const selectBit = 0x80

var (
	pointQuality = quality{0, [8]string{4: "blocked", 5: "substituted", 6: "not topical", 7: "invalid"}}
	eventQuality = quality{0, [8]string{3: "elapsed time invalid", 4: "blocked", 5: "substituted", 6: "not topical", 7: "invalid"}}
	startQuality = quality{1, eventQuality.names}
	countQuality = quality{4, [8]string{5: "carry", 6: "adjusted", 7: "invalid"}}
)

// described is the quality descriptor QDS at an index.
func described(at int) *quality {
	return &quality{at, [8]string{0: "overflow", 4: "blocked", 5: "substituted", 6: "not topical", 7: "invalid"}}
}

var (
	switching  = order{0, 2, 0x1f}
	setting    = order{2, 0, 0x7f}
	settingR32 = order{4, 0, 0x7f}
)

// The information elements by what they say (IEC 60870-5-101, 7.2.6).
var (
	nothing          = element{}
	singlePoint      = element{size: 1, value: lowBits(1), quality: &pointQuality}
	doublePoint      = element{size: 1, value: lowBits(2), quality: &pointQuality}
	stepPosition     = element{size: 2, value: step, quality: described(1)}
	bitstring        = element{size: 5, value: octetsAs(protocols.ValueUint, 4), quality: described(4)}
	normalized       = element{size: 3, value: octetsAs(protocols.ValueInt, 2), quality: described(2)}
	scaled           = element{size: 3, value: octetsAs(protocols.ValueInt, 2), quality: described(2)}
	float            = element{size: 5, value: octetsAs(protocols.ValueFloat, 4), quality: described(4)}
	counter          = element{size: 5, value: octetsAs(protocols.ValueInt, 4), quality: &countQuality}
	packedPoints     = element{size: 5, value: octetsAs(protocols.ValueUint, 2), quality: described(4)}
	bareNormalized   = element{size: 2, value: octetsAs(protocols.ValueInt, 2)}
	protectionEvent  = element{size: 3, value: lowBits(2), quality: &eventQuality}
	protectionStart  = element{size: 4, value: lowBits(6), quality: &startQuality}
	protectionOutput = element{size: 4, value: lowBits(4), quality: &startQuality}

	singleCommand      = element{size: 1, value: lowBits(1), order: &switching}
	doubleCommand      = element{size: 1, value: lowBits(2), order: &switching}
	stepCommand        = element{size: 1, value: lowBits(2), order: &switching}
	normalizedSetpoint = element{size: 3, value: octetsAs(protocols.ValueInt, 2), order: &setting}
	scaledSetpoint     = element{size: 3, value: octetsAs(protocols.ValueInt, 2), order: &setting}
	floatSetpoint      = element{size: 5, value: octetsAs(protocols.ValueFloat, 4), order: &settingR32}
	bitstringCommand   = element{size: 4, value: octetsAs(protocols.ValueUint, 4)}

	initialisation       = element{size: 1, qualifier: octetAt(0), name: named(0, 0x7f, "local power on", "local manual reset", "remote reset")}
	interrogation        = element{size: 1, qualifier: octetAt(0), name: group("station", 20)}
	counterInterrogation = element{size: 1, qualifier: octetAt(0), name: group("general", 5), action: counters}
	clock                = element{}
	testPattern          = element{size: 2, value: octetsAs(protocols.ValueBytes, 2)}
	timedTest            = element{size: 2, value: octetsAs(protocols.ValueBytes, 2)}
	reset                = element{size: 1, qualifier: octetAt(0), name: named(0, 0xff, "", "general", "event buffer")}
	delay                = element{size: 2, value: octetsAs(protocols.ValueUint, 2)}
	normalizedParameter  = element{size: 3, value: octetsAs(protocols.ValueInt, 2), qualifier: octetAt(2)}
	scaledParameter      = element{size: 3, value: octetsAs(protocols.ValueInt, 2), qualifier: octetAt(2)}
	floatParameter       = element{size: 5, value: octetsAs(protocols.ValueFloat, 4), qualifier: octetAt(4)}
	activation           = element{size: 1, qualifier: octetAt(0)}

	fileReady    = element{size: 6, name: fileName, qualifier: octetAt(5), refuses: says(5, selectBit, selectBit)}
	sectionReady = element{size: 7, name: fileName, qualifier: octetAt(6), refuses: says(6, selectBit, selectBit)}
	fileCall     = element{size: 4, name: fileName, qualifier: octetAt(3), action: call}
	lastSection  = element{size: 5, name: fileName, qualifier: octetAt(3)}
	fileAck      = element{size: 4, name: fileName, qualifier: octetAt(3), refuses: says(3, 0x0f, 2, 4)}
	segment      = element{size: 4, name: fileName}
	directory    = element{size: 6, name: fileName, qualifier: octetAt(5)}
	queryLog     = element{size: 9, name: fileName}
)

// octets holds each octet once, so that values which the wire packs with others can be lent.
var octets = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	return t
}()

// lowBits gives the lowest bits of the first octet as a number.
func lowBits(n int) func([]byte) protocols.Values {
	kind, mask := protocols.ValueUint, byte(1)<<n-1
	if n == 1 {
		kind = protocols.ValueBool
	}
	return func(b []byte) protocols.Values {
		v := b[0] & mask
		return protocols.Values{Type: kind, Raw: octets[v : int(v)+1 : int(v)+1]}
	}
}

// step gives a step position: seven bits with a sign, beside the mark of a transient state.
func step(b []byte) protocols.Values {
	v := b[0] & 0x7f
	if v&0x40 != 0 {
		v |= 0x80
	}
	return protocols.Values{Type: protocols.ValueInt, Raw: octets[v : int(v)+1 : int(v)+1]}
}

func octetsAs(kind protocols.ValueType, n int) func([]byte) protocols.Values {
	return func(b []byte) protocols.Values { return protocols.Values{Type: kind, Raw: b[:n:n]} }
}

func octetAt(i int) func([]byte) uint8 { return func(b []byte) uint8 { return b[i] } }

// named gives the name of a code; those beyond are numbers.
func named(at int, mask byte, names ...string) func([]byte) string {
	return func(b []byte) string {
		if code := b[at] & mask; int(code) < len(names) && names[code] != "" {
			return names[code]
		}
		return strconv.Itoa(int(b[at] & mask))
	}
}

// group names a group of an interrogation: all of them at one number, one each behind (or, of counters, from 1 on).
func group(all string, number byte) func([]byte) string {
	return func(b []byte) string {
		switch q := b[0] & 0x3f; {
		case q == number:
			return all
		case number == 20 && q > number:
			return "group " + strconv.Itoa(int(q-number))
		default:
			return "group " + strconv.Itoa(int(q))
		}
	}
}

// counters tells a reading of counters from one that sets them back (IEC 60870-5-101, 7.2.6.23).
func counters(b []byte) protocols.Action {
	if b[0]>>6 >= 2 {
		return protocols.ActionWrite
	}
	return protocols.ActionNone
}

// call tells what is done with a file: deleting it alters the device (IEC 60870-5-101, 7.2.6.30).
func call(b []byte) protocols.Action {
	switch b[3] & 0x0f {
	case 0:
		return protocols.ActionBrowse
	case 4:
		return protocols.ActionConfigure
	default:
		return protocols.ActionNone
	}
}

func says(at int, mask byte, codes ...byte) func([]byte) bool {
	return func(b []byte) bool {
		for _, code := range codes {
			if b[at]&mask == code {
				return true
			}
		}
		return false
	}
}

// fileName names a file by its number (IEC 60870-5-101, 7.2.6.33).
func fileName(b []byte) string { return "file " + strconv.Itoa(int(binary.LittleEndian.Uint16(b))) }

// list gives the names of the bits that are set.
func (q *quality) list(b []byte) []string {
	var names []string
	for i, name := range q.names {
		if name != "" && b[q.at]>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return names
}
