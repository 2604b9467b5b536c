package sensor

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// senders gives the addresses that sent IP packets, as the reference sees them: of a tunnel's packets those inside.
func senders(t *testing.T, capture string) map[netip.Addr]bool {
	t.Helper()
	out, err := exec.Command("tshark", "-n", "-r", capture, "-T", "fields", "-E", "occurrence=l", "-e", "ip.src", "-e", "ipv6.src").Output()
	if err != nil && len(out) == 0 { // a capture that was cut short ends with an error
		t.Fatal(err)
	}
	all := make(map[netip.Addr]bool)
	for _, field := range strings.Fields(string(out)) {
		if a, err := netip.ParseAddr(field); err == nil {
			all[a] = true
		}
	}
	return all
}

// TestEveryHostIsADevice: whoever of the site sends IP packets is one device, in captures of all sorts.
func TestEveryHostIsADevice(t *testing.T) {
	const corpus = "../../../shared/pcaps"
	if _, err := os.Stat(corpus); err != nil {
		t.Skip("the captures are not here")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed")
	}
	for _, kind := range []string{"modbus", "s7comm", "opcua", "enip", "profinet", "bacnet", "dnp3", "mms", "iec104", "other-ot", "s7commplus", "umas", "lab"} {
		captures, err := filepath.Glob(filepath.Join(corpus, kind, "*.pcap.gz"))
		if err != nil {
			t.Fatal(err)
		}
		if kind == "lab" {
			captures = []string{filepath.Join(labFixtures, "plant-normal.pcap.gz")}
		}
		tried := 0
		for _, capture := range captures {
			// Synthetic captures hold every encapsulation there is, with addresses in headers that nobody sent.
			if info, err := os.Stat(capture); err != nil || info.Size() > 200_000 || tried == 3 || strings.Contains(capture, "synthetic") {
				continue
			}
			tried++
			devices := make(map[netip.Addr]int)
			for _, d := range replayed(t, capture).Devices {
				for _, ip := range d.IPs {
					devices[netip.MustParseAddr(ip)]++
				}
			}
			for a := range senders(t, capture) {
				site := a.IsPrivate() || a.IsLinkLocalUnicast()
				if n := devices[a]; site && n != 1 || n > 1 {
					t.Errorf("%s: %s is %d devices", capture, a, n)
				}
			}
		}
	}
}
