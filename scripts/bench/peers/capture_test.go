package main

import (
	"errors"
	"io"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
)

// What is measured is only as good as the capture: every conversation has its handshake and no gap, no two share their
// ends, and time never runs backwards.
func TestCaptureIsOfCompleteConversations(t *testing.T) {
	w := workload{name: "test", folders: []string{"fixtures"}, ports: []uint16{502, 102, 4840}, packets: 20000, bulk: 0.5}
	path := filepath.Join(t.TempDir(), "test.pcap")
	if err := w.build(filepath.Join("..", "..", "lab"), path); err != nil {
		t.Fatal(err)
	}
	file, err := capture.Open(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	type direction struct{ from, to netip.AddrPort }
	next := make(map[direction]uint32)
	var frame capture.Frame
	var p packet.Packet
	var last time.Time
	packets, bulk, conversations := 0, 0, 0
	for {
		if err := file.Next(&frame); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if err := p.Decode(uint16(frame.Link), frame.Data); err != nil {
			t.Fatal(err)
		}
		if frame.Time.Before(last) {
			t.Fatalf("frame %d is %v before the one before it", frame.Number, last.Sub(frame.Time))
		}
		last = frame.Time
		way := direction{netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort)}
		expected, known := next[way]
		switch {
		case p.Flags.Has(packet.SYN):
			if known {
				t.Fatalf("frame %d begins a conversation between ends that had one", frame.Number)
			}
			conversations++
		case !known && !p.Flags.Has(packet.RST):
			t.Fatalf("frame %d has no handshake before it", frame.Number)
		case int32(p.Seq-expected) > 0 && !p.Flags.Has(packet.RST):
			t.Fatalf("frame %d leaves a gap of %d bytes", frame.Number, p.Seq-expected)
		}
		behind := p.Seq + uint32(len(p.Payload))
		if p.Flags&(packet.SYN|packet.FIN) != 0 {
			behind++
		}
		if !known || int32(behind-expected) > 0 {
			next[way] = behind
		}
		if packets++; p.SrcPort == 443 || p.DstPort == 443 {
			bulk++
		}
	}
	if packets != w.packets || conversations < 4 {
		t.Errorf("%d packets in %d directions, want %d packets in several conversations", packets, conversations, w.packets)
	}
	if share := float64(bulk) / float64(packets); share < 0.4 || share > 0.7 {
		t.Errorf("%.0f %% of the packets are bulk, want about half", 100*share)
	}
}
