package inventory

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// The table of MAC prefixes is made by scripts/oui, which says where it comes from and of what day it is.
//
//go:embed oui.gz
var ouiTable []byte

const (
	sourceMAC     = "MAC address"
	fromMAC       = 40 // who made the adapter need not have made the device
	adapterIsSure = 90
)

// adapters are prefixes that tell what an adapter is and nothing of who made the device. The longest come first.
var adapters = []struct{ prefix, what string }{
	{"00005e0001", "virtual router (VRRP)"}, {"00005e0002", "virtual router (VRRP)"}, {"00000c07ac", "virtual router (HSRP)"},
	{"000569", "virtual machine (VMware)"}, {"000c29", "virtual machine (VMware)"}, {"001c14", "virtual machine (VMware)"},
	{"005056", "virtual machine (VMware)"}, {"00155d", "virtual machine (Hyper-V)"}, {"0003ff", "virtual machine (Virtual PC)"},
	{"00163e", "virtual machine (Xen)"}, {"001c42", "virtual machine (Parallels)"}, {"080027", "virtual machine (VirtualBox)"},
	{"0a0027", "virtual machine (VirtualBox)"}, {"525400", "virtual machine (QEMU)"}, {"506b8d", "virtual machine (Nutanix)"},
	{"bc2411", "virtual machine (Proxmox)"}, {"0242", "container (Docker)"},
}

// adapterFact gives what a MAC tells of the device that has it; false when that is nothing.
func adapterFact(m protocols.MAC, first, last time.Time) (k factKey, f fact, ok bool) {
	const local = 0x02
	k = factKey{key: protocols.FactAdapter, source: sourceMAC}
	f = fact{confidence: adapterIsSure, first: first, last: last}
	digits := hex.EncodeToString(m[:])
	for _, a := range adapters {
		if strings.HasPrefix(digits, a.prefix) {
			k.value = a.what
			return k, f, true
		}
	}
	if m[0]&local != 0 {
		k.value = "locally administered"
		return k, f, true
	}
	k.key, k.value, f.confidence = protocols.FactVendor, registry().vendor(m), fromMAC
	return k, f, k.value != ""
}

// ouis is the decoded table. It is not changed once made.
type ouis struct {
	// rows are the prefixes of a length, ascending, each above the number of its vendor.
	rows    [len(ouiBits)][]uint64
	names   string
	offsets []uint32 // where the name of a vendor begins; the last is the end
}

// ouiBits are the lengths of prefixes, in the order of the file.
var ouiBits = [...]int{24, 28, 36}

const vendorBits = 16

// registry decodes the table when it is first asked for: a sensor that sees no MAC keeps none of it.
var registry = sync.OnceValue(func() *ouis {
	t, err := decodeOUI(ouiTable)
	if err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	return t
})

func decodeOUI(packed []byte) (*ouis, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("inventory: table of MAC prefixes: %w", err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("inventory: table of MAC prefixes: %w", err)
	}
	names, rest, ok := bytes.Cut(plain, []byte("\n\n"))
	if !ok {
		return nil, errors.New("inventory: table of MAC prefixes: no end of vendors")
	}
	t := &ouis{names: string(names), offsets: []uint32{0}}
	for k := range len(t.names) {
		if t.names[k] == '\n' {
			t.offsets = append(t.offsets, uint32(k+1))
		}
	}
	t.offsets = append(t.offsets, uint32(len(t.names)+1))
	next := func() uint64 {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			ok = false
			return 0
		}
		rest = rest[n:]
		return v
	}
	for k := range ouiBits {
		count := next()
		rows := make([]uint64, 0, min(count, uint64(len(rest))))
		var prefix uint64
		for ; count > 0 && ok; count-- {
			prefix += next()
			vendor := next()
			ok = ok && vendor < uint64(len(t.offsets)-1) && vendor < 1<<vendorBits
			rows = append(rows, prefix<<vendorBits|vendor)
		}
		t.rows[k] = rows
	}
	if !ok || len(rest) > 0 {
		return nil, errors.New("inventory: table of MAC prefixes: rows do not end with the table")
	}
	return t, nil
}

// vendor gives the owner of the longest prefix of a MAC, empty when nobody owns one.
func (t *ouis) vendor(m protocols.MAC) string {
	var value uint64
	for _, x := range m {
		value = value<<8 | uint64(x)
	}
	for k := len(ouiBits) - 1; k >= 0; k-- {
		prefix := value >> (48 - ouiBits[k])
		at, _ := slices.BinarySearch(t.rows[k], prefix<<vendorBits)
		if at < len(t.rows[k]) && t.rows[k][at]>>vendorBits == prefix {
			n := t.rows[k][at] & (1<<vendorBits - 1)
			return t.names[t.offsets[n] : t.offsets[n+1]-1]
		}
	}
	return ""
}
