package snmp

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

func titles() []string {
	all := []string{"encrypted"}
	for _, p := range pdus {
		all = append(all, p.name)
	}
	return all
}

func TestConformance(t *testing.T) { protocoltest.Run(t, Spec, "testdata", titles()...) }

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }

// A manager that asks and is not answered fills no memory, and its latest requests are answered as what they were.
func TestRequestsAreBounded(t *testing.T) {
	d := &dissector{}
	for id := range int64(100) {
		d.remember(pending{request: id, action: protocols.ActionConfigure})
	}
	if len(d.pending) != maxPending {
		t.Errorf("%d requests wait, want %d", len(d.pending), maxPending)
	}
	if _, ok := d.take(0); ok {
		t.Error("the oldest request still waits")
	}
	if p, ok := d.take(99); !ok || p.action != protocols.ActionConfigure {
		t.Error("the latest request does not wait")
	}
	if _, ok := d.take(99); ok {
		t.Error("an answered request still waits")
	}
}
