package detect

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/protocols"
)

func conflict(from protocols.Side, client string, frame uint64) *protocols.Notice {
	return &protocols.Notice{
		Kind: protocols.NoticeConflict, From: from, Frame: frame, Time: epoch.Add(time.Duration(frame) * time.Second),
		Conv: &protocols.Conversation{Client: endpoint(client, 40000), Server: endpoint("10.0.0.9", 502)},
	}
}

// What many segments show is one signal for each sender and receiver, with the first frames as evidence.
func TestConflictIsASignal(t *testing.T) {
	d := newAnalyst().detector
	for frame := uint64(1); frame <= 20; frame++ {
		d.Notice(conflict(protocols.Client, "10.0.0.5", frame))
	}
	d.Notice(conflict(protocols.Server, "10.0.0.5", 21))
	d.Notice(&protocols.Notice{Kind: 99, Conv: &protocols.Conversation{}})
	var got []string
	for _, s := range d.Signals() {
		got = append(got, fmt.Sprintf("%s %s→%s %d times, frames %d-%d of %s, %v", s.Rule, s.ActorIP, s.TargetIP, s.Count,
			s.Evidence[0].Frame, s.Evidence[len(s.Evidence)-1].Frame, s.Evidence[0].File, s.LastTime.Sub(s.Time)))
		for _, id := range s.Techniques {
			if TechniqueName(id) == "" {
				t.Errorf("%s: technique %s is not shipped", s.Rule, id)
			}
		}
	}
	want := []string{
		"conflicting-segments 10.0.0.5→10.0.0.9 20 times, frames 1-8 of plant.pcap, 19s",
		"conflicting-segments 10.0.0.9→10.0.0.5 1 times, frames 21-21 of plant.pcap, 0s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A flood of invented senders fills the table and no more.
func TestSignalsAreBounded(t *testing.T) {
	d := newAnalyst().detector
	for i := range maxSignals + 50 {
		d.Notice(conflict(protocols.Client, fmt.Sprintf("10.%d.%d.%d", 1+i>>16, i>>8&255, i&255), 1))
	}
	if n := len(d.Signals()); n != maxSignals || d.Stats().DroppedSignals != 50 {
		t.Errorf("%d signals, %d dropped", n, d.Stats().DroppedSignals)
	}
}
