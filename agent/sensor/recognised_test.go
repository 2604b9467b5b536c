package sensor_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/protocols/http"
	"github.com/spanwatch/spanwatch/protocols/recognised"
	"github.com/spanwatch/spanwatch/protocols/ssh"
	"github.com/spanwatch/spanwatch/protocols/tls"
)

// witnesses are the names under which the reference lists a protocol in a capture, where they are not our label.
var witnesses = map[string][]string{
	"profinet": {"pn_rt", "pn_io", "pn_io_device", "pn_io_controller", "dcerpc"},
	"ethercat": {"ecat"}, "fins": {"omron"}, "ads": {"ams"}, "hart-ip": {"hart_ip"}, "smb": {"smb", "smb2", "nbss"},
	"http": {"http", "http2"}, "postgresql": {"pgsql"},
}

// unwitnessed are protocols in captures where the reference does not list them, and why they are there all the same.
var unwitnessed = map[string]string{
	"it/arkime.socks5-rdp.53f5be.pcap.gz rdp":                           "behind a SOCKS proxy",
	"it/zeek.simpleauth-diff-port.4c5768.pcap.gz ldap":                  "on another port, where the reference does not look",
	"modbus/zeek.modbus-and-non-modbus-p502.ef18bb.pcap.gz rdp":         "a scanner asks port 502 for RDP with a cookie",
	"opcua/cisagov.open62541_client-server_mainloop.07dd69.pcap.gz ntp": "a time client and its daemon on other ports",
}

// What is recognised in a capture is what the reference saw there, too: a probe that is too lenient would find more.
func TestCorpusRecognised(t *testing.T) {
	dir := corpus(t)
	text, err := os.ReadFile(filepath.Join(dir, "manifest.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	path, listed := slices.Index(strings.Split(lines[0], "\t"), "path"), slices.Index(strings.Split(lines[0], "\t"), "protocols")
	found := 0
	specs := append(recognised.Specs(), http.Spec, tls.Spec, ssh.Spec)
	for _, line := range lines[1:] {
		cells := strings.Split(line, "\t")
		var known []string
		for _, word := range strings.Fields(cells[listed]) {
			name, _, _ := strings.Cut(word, "=")
			known = append(known, name)
		}
		ours := messages(t, filepath.Join(dir, cells[path]))
		for _, spec := range specs {
			if len(ours[spec.Name]) == 0 {
				continue
			}
			found++
			names := witnesses[spec.Name]
			if names == nil {
				names = []string{spec.Name}
			}
			witnessed := slices.ContainsFunc(names, func(n string) bool { return slices.Contains(known, n) })
			if reason := unwitnessed[cells[path]+" "+spec.Name]; witnessed == (reason != "") {
				t.Errorf("%s: %s is recognised; the reference lists %v; explained: %q", cells[path], spec.Name, known, reason)
			}
		}
	}
	t.Logf("%d protocols recognised in captures", found)
}
