package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// segment is one frame from the laptop to plc-intake.
func segment(t *testing.T, port uint16, payload int) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP,
		SrcIP: []byte{10, 20, 30, 66}, DstIP: []byte{10, 20, 10, 11}}
	tcp := &layers.TCP{SrcPort: 40000, DstPort: layers.TCPPort(port), ACK: true}
	tcp.SetNetworkLayerForChecksum(ip)
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: []byte{0x54, 0xe1, 0xad, 0x77, 0x3b, 0x66}, DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4},
		ip, tcp, gopacket.Payload(make([]byte, payload)))
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestExamineFindsTheFramesOfAStep(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "x.pcap")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := pcapgo.NewWriterNanos(file)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	// Frame 1 is too early, 3 on another port, 5 too late.
	for i, f := range []struct {
		second int
		port   uint16
	}{{0, 502}, {1, 502}, {2, 80}, {3, 502}, {9, 502}} {
		frame := segment(t, f.port, 100*i)
		info := gopacket.CaptureInfo{Timestamp: begin.Add(time.Duration(f.second) * time.Second), CaptureLength: len(frame), Length: len(frame)}
		if err := w.WritePacket(info, frame); err != nil {
			t.Fatal(err)
		}
	}
	file.Close()

	s, err := examine(path, []moment{{step: "s", actor: "10.20.30.66", ports: []uint16{502}, start: begin.Add(time.Second), end: begin.Add(3 * time.Second)}})
	if err != nil {
		t.Fatal(err)
	}
	if m := s.timeline[0]; m.first != 2 || m.last != 4 || m.frames != 2 {
		t.Errorf("frames %d to %d (%d), want 2 to 4 (2)", m.first, m.last, m.frames)
	}
	if s.packets != 5 || s.largest != 54+400 || !s.last.Equal(begin.Add(9*time.Second)) {
		t.Errorf("summary = %+v", s)
	}
	if err := s.check(); err == nil || !strings.Contains(err.Error(), "plc-dosing") || strings.Contains(err.Error(), "eng-laptop") {
		t.Errorf("check = %v, want the silent hosts and no other", err)
	}
}

func TestCheckRefusesMergedSegmentsAndEmptySteps(t *testing.T) {
	s := &summary{sources: map[string]int{}, largest: maxFrame + 1, timeline: []moment{{step: "lost"}}}
	for _, h := range plant {
		s.sources[h.mac] = 1
	}
	err := s.check()
	if err == nil || !strings.Contains(err.Error(), "1515 bytes") || !strings.Contains(err.Error(), "lost") {
		t.Errorf("check = %v", err)
	}
}

func TestWriteFactsKeepsTheRestOfTheReadme(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("README.md", "head\n"+factsBegin+"old\n"+factsEnd+"tail\n")
	write("plant-normal.summary.tsv", (&summary{packets: 7}).tsv())
	write("plant-normal.timeline.tsv", timelineTSV([]moment{{step: "s", actor: "10.0.0.1", ports: []uint16{1, 2}, first: 3, last: 4, frames: 2, what: "says \"hello\""}}))
	if err := writeFacts(dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	if !strings.HasPrefix(text, "head\n"+factsBegin) || !strings.HasSuffix(text, factsEnd+"tail\n") || strings.Contains(text, "old") ||
		!strings.Contains(text, "- packets: 7\n") || !strings.Contains(text, "| s | 10.0.0.1 | 00:00:00.000000 | 3–4 (2) |  | says \"hello\" |") {
		t.Errorf("README.md:\n%s", text)
	}
	write("README.md", "no marks\n")
	if err := writeFacts(dir); err == nil {
		t.Error("a README without marks was accepted")
	}
}
