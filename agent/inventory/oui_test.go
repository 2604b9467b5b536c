package inventory

import (
	"net"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

func parseMAC(t *testing.T, s string) protocols.MAC {
	t.Helper()
	b, err := net.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return protocols.MAC(b)
}

func TestVendorOfMAC(t *testing.T) {
	for mac, want := range map[string]struct {
		key   protocols.FactKey
		value string
	}{
		"00:1b:1b:2e:60:21": {protocols.FactVendor, "Siemens AG"},
		"00:80:f4:0b:31:11": {protocols.FactVendor, "TELEMECANIQUE ELECTRIQUE"},
		"00:30:de:41:07:13": {protocols.FactVendor, "WAGO Kontakttechnik GmbH"},
		"00:00:00:00:00:01": {protocols.FactVendor, "XEROX CORPORATION"},
		"c8:5c:e2:7a:bc:de": {protocols.FactVendor, "SYNERGY SYSTEMS AND SOLUTIONS"}, // a prefix of 28 bits
		"00:1b:c5:00:00:01": {protocols.FactVendor, "Converging Systems Inc."},       // of 36 bits, in a block of the registry
		"00:50:56:01:02:03": {protocols.FactAdapter, "virtual machine (VMware)"},
		"52:54:00:01:02:03": {protocols.FactAdapter, "virtual machine (QEMU)"},
		"00:00:5e:00:01:07": {protocols.FactAdapter, "virtual router (VRRP)"},
		"02:42:ac:11:00:02": {protocols.FactAdapter, "container (Docker)"},
		"02:00:00:00:00:09": {protocols.FactAdapter, "locally administered"},
	} {
		k, f, ok := adapterFact(parseMAC(t, mac), epoch, epoch)
		if !ok || k.key != want.key || k.value != want.value || k.source != sourceMAC || f.confidence == 0 || !f.first.Equal(epoch) {
			t.Errorf("%s: %v %q (%v), want %v %q", mac, k.key, k.value, ok, want.key, want.value)
		}
	}
	if k, _, ok := adapterFact(parseMAC(t, "fc:ff:ff:ff:ff:ff"), epoch, epoch); ok {
		t.Errorf("a prefix that nobody owns is of %q", k.value)
	}
}

// Every row of the table is found, and is a name.
func TestTableOfVendorsIsWhole(t *testing.T) {
	table := registry()
	rows := 0
	for k, bits := range ouiBits {
		for _, row := range table.rows[k] {
			value := row >> vendorBits << (48 - bits)
			var m protocols.MAC
			for n := range m {
				m[n] = byte(value >> (40 - 8*n))
			}
			m[5] |= 1
			if table.vendor(m) == "" {
				t.Fatalf("%s, of a prefix of %d bits, has no vendor", m, bits)
			}
			rows++
		}
	}
	if rows < 50_000 {
		t.Errorf("the table has %d prefixes", rows)
	}
}

func TestBrokenTables(t *testing.T) {
	if _, err := decodeOUI(nil); err == nil {
		t.Error("no table was read")
	}
	if _, err := decodeOUI(ouiTable[:len(ouiTable)/2]); err == nil {
		t.Error("half a table was read")
	}
}

// What a device says of its maker outweighs who made its adapter.
func TestVendorOfMACIsTheLastResort(t *testing.T) {
	siemens := protocols.MAC{0, 0x1b, 0x1b, 1, 2, 3}
	i := New(Config{Site: "Harbour"})
	c := conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.9", 502, siemens))
	i.Event(read(c, protocols.Server, 0))
	v, _ := i.Device(i.ID(c.Server))
	if v.Vendor != "Siemens AG" {
		t.Errorf("the vendor is %q", v.Vendor)
	}
	if v, _ := i.Device(i.ID(c.Client)); v.Vendor != "" {
		t.Errorf("a MAC that somebody made up has the vendor %q", v.Vendor)
	}
	tell(i, c, protocols.Fact{About: protocols.Server, Key: protocols.FactVendor, Value: "Works", Confidence: 50})
	if v, _ = i.Device(i.ID(c.Server)); v.Vendor != "Works" {
		t.Errorf("the vendor is %q", v.Vendor)
	}
}
