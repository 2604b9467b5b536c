package s7

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// maxNames is how many object names of either kind a conversation keeps. A client that walks through all data blocks starts it afresh.
const maxNames = 1024

// names keeps the text of object names, so that a poll does not format "DB1" every time. The zero value is ready.
type names struct {
	variables map[uint64]string // of absolute addresses, by what tells them apart
	text      map[string]string // of everything else
	resets    uint64
	scratch   [64]byte

	// The variable named last: the next one mostly lies in the same block.
	last     uint64
	lastText string
}

// lookup gives the text kept under a key.
func (n *names) lookup(key []byte) (string, bool) {
	text, ok := n.text[string(key)]
	return text, ok
}

func (n *names) keep(key []byte, text string) string {
	if len(n.text) >= maxNames {
		n.text = nil
		n.resets++
	}
	if n.text == nil {
		n.text = make(map[string]string)
	}
	n.text[string(key)] = text
	return text
}

// variable names an absolute address: the data block it lies in, where it is one of several, and the bit where it is one.
func (n *names) variable(it *item, bit bool) string {
	key := uint64(it.area)<<56 | uint64(it.db)<<40
	if bit {
		key |= uint64(it.start)<<8 | uint64(it.bit)<<1 | 1
	}
	if key == n.last {
		return n.lastText
	}
	text, ok := n.variables[key]
	if !ok {
		text = variableText(it, bit)
		if len(n.variables) >= maxNames {
			n.variables = nil
			n.resets++
		}
		if n.variables == nil {
			n.variables = make(map[uint64]string)
		}
		n.variables[key] = text
	}
	n.last, n.lastText = key, text
	return text
}

func variableText(it *item, bit bool) string {
	text := ""
	if areas[it.area].block {
		text = areas[it.area].name + strconv.Itoa(int(it.db))
	}
	if bit {
		text += fmt.Sprintf("%s%d.%d", areas[it.area].letter, it.start, it.bit)
	}
	return text
}

// maxSteps is how many steps of a symbolic path are named; deeper ones end in "…".
const maxSteps = 12

// symbol names a symbolic address by the local identifiers on its way: "DB3.14.256". Their names are in the project.
func (n *names) symbol(it *item) string {
	if len(it.path) > len(n.scratch)-4 {
		return symbolText(it)
	}
	key := append(n.scratch[:0], 's', it.area)
	key = append(binary.BigEndian.AppendUint16(key, it.db), it.path...)
	if text, ok := n.lookup(key); ok {
		return text
	}
	return n.keep(key, symbolText(it))
}

func symbolText(it *item) string {
	text := []byte(areaName(it.area))
	if it.area == areaDB {
		text = strconv.AppendUint(text, uint64(it.db), 10)
	}
	if len(it.path) < 4 {
		return string(text)
	}
	// The path begins with a checksum over the symbol; identifiers of four bytes follow, their upper four bits flags.
	for step, path := 0, it.path[4:]; len(path) >= 4; step, path = step+1, path[4:] {
		if step == maxSteps {
			text = append(text, "…"...)
			break
		}
		text = append(text, '.')
		text = strconv.AppendUint(text, uint64(binary.BigEndian.Uint32(path)&0x0fffffff), 10)
	}
	return string(text)
}

// syntax names an address that is not read further.
func (n *names) syntax(code uint8) string {
	key := append(n.scratch[:0], 'x', code)
	if text, ok := n.lookup(key); ok {
		return text
	}
	return n.keep(key, fmt.Sprintf("syntax 0x%02x", code))
}

// number names something by a 16-bit number.
func (n *names) number(id uint16) string {
	key := binary.BigEndian.AppendUint16(append(n.scratch[:0], 'z'), id)
	if text, ok := n.lookup(key); ok {
		return text
	}
	return n.keep(key, fmt.Sprintf("0x%04x", id))
}

// object names an object of S7comm-plus.
func (n *names) object(id uint32) string {
	key := binary.BigEndian.AppendUint32(append(n.scratch[:0], 'o'), id)
	if text, ok := n.lookup(key); ok {
		return text
	}
	return n.keep(key, fmt.Sprintf("0x%08x", id))
}
