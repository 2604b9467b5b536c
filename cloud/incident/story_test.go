package incident

import (
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/cloud/store"
)

func plant() *memory {
	m := newMemory()
	for _, d := range []store.Device{
		{ID: "eng", Names: []string{"ENG-03"}, IPs: []string{"10.0.0.9"}, Type: "workstation"},
		{ID: "p1", Names: []string{"PLC-1"}, IPs: []string{"10.0.1.1"}, Type: "plc"},
		{ID: "p2", Names: []string{"PLC-2"}, IPs: []string{"10.0.1.2"}, Type: "plc"},
		{ID: "p3", Names: []string{"PLC-3"}, IPs: []string{"10.0.1.3"}, Type: "plc"},
		{ID: "hmi", Names: []string{"HMI-1"}, IPs: []string{"10.0.1.9"}, Type: "hmi"},
	} {
		m.devices[d.ID] = d
	}
	return m
}

func done(a store.Alert, level, action, message, outcome string) store.Alert {
	a.Level = level
	a.ActorIP = "10.0.0.9"
	a.Evidence = append(a.Evidence, store.Evidence{Action: action, Message: message, Outcome: outcome, Time: a.Time})
	return a
}

func TestTitleNamesActorAndWorstDeed(t *testing.T) {
	confirmed := &store.Verdict{State: "confirmed", Source: "endpoint protection"}
	at := func(s int) time.Time { return night.Add(time.Duration(s) * time.Second) }
	stop := done(alert("1", "eng", "p2", at(30)), "control", "control", "PLC Stop", "done")
	write1 := done(alert("2", "eng", "p1", at(10)), "write", "write", "Write Multiple Registers", "done")
	write3 := done(alert("3", "eng", "p3", at(11)), "write", "write", "Write Single Register", "done")
	refused := done(alert("4", "eng", "p1", at(12)), "write", "write", "Write Single Register", "refused")
	panel := done(alert("5", "eng", "hmi", at(13)), "read", "read", "Read", "done")
	for _, c := range []struct {
		name   string
		alerts []store.Alert
		state  *store.Verdict
		title  string
	}{
		{"stop and writes", []store.Alert{write1, write3, stop}, confirmed, "Compromised workstation ENG-03 (10.0.0.9) stopped PLC-2 and wrote to 2 other controllers"},
		{"one write", []store.Alert{write1}, confirmed, "Compromised workstation ENG-03 (10.0.0.9) wrote to PLC-1"},
		{"several writes", []store.Alert{write1, write3}, confirmed, "Compromised workstation ENG-03 (10.0.0.9) wrote to 2 controllers"},
		{"only suspected", []store.Alert{stop}, &store.Verdict{State: "suspected"}, "Possibly compromised workstation ENG-03 (10.0.0.9) stopped PLC-2"},
		{"no verdict", []store.Alert{stop}, nil, "Workstation ENG-03 (10.0.0.9) stopped PLC-2"},
		{"refused", []store.Alert{refused}, confirmed, "Compromised workstation ENG-03 (10.0.0.9) tried to write to PLC-1"},
		{"done beats refused", []store.Alert{refused, write1}, confirmed, "Compromised workstation ENG-03 (10.0.0.9) wrote to PLC-1"},
		{"attempt beats look", []store.Alert{panel, done(write1, "write", "write", "Write", "done"), done(alert("4", "eng", "p3", at(12)), "control", "control", "PLC Stop", "refused")}, confirmed, "Compromised workstation ENG-03 (10.0.0.9) wrote to PLC-1 and tried to stop PLC-3"},
		{"mixed targets", []store.Alert{done(write1, "write", "read", "Read", "done"), panel, done(alert("6", "eng", "p3", at(14)), "read", "read", "Read", "done")}, confirmed, "Compromised workstation ENG-03 (10.0.0.9) wrote to PLC-1 and read from 2 other devices"},
		{"no evidence", []store.Alert{alert("7", "eng", "p1", night)}, nil, "Workstation ENG-03 read from PLC-1"},
		{"effect", []store.Alert{done(stop, "effect", "control", "PLC Stop", "done")}, confirmed, "Compromised workstation ENG-03 (10.0.0.9) stopped PLC-2, with effect on the process"},
		{"nobody known", []store.Alert{alert("8", "", "", night)}, nil, "Possible operational impact due to a compromised device"},
		{"address outside", []store.Alert{{ID: "9", Site: "plant", ActorIP: "198.51.100.7", Target: "p1", Level: "contact", Time: night, LastTime: night, Revision: 1}}, nil, "Device 198.51.100.7 contacted PLC-1"},
		{"second actor", []store.Alert{stop, alert("a", "hmi", "p2", night)}, confirmed, "Compromised workstation ENG-03 (10.0.0.9) stopped PLC-2; HMI-1 acted too"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := plant()
			for i := range c.alerts {
				c.alerts[i].Verdict = c.state
			}
			if c.name == "no evidence" { // an alert that has lost its addresses too
				d := m.devices["eng"]
				d.IPs = nil
				m.devices["eng"] = d
			}
			m.put(c.alerts...)
			correlate(t, New(m, quiet), c.alerts...)
			if got := m.whole(); len(got) != 1 || got[0].Title != c.title {
				t.Errorf("title = %q, want %q", got[0].Title, c.title)
			}
		})
	}
}

func TestSummaryTellsTheStory(t *testing.T) {
	m := plant()
	a := done(alert("1", "eng", "p2", night), "control", "control", "PLC Stop", "done")
	a.Verdict = &store.Verdict{State: "confirmed", Source: "endpoint protection"}
	a.Reach = []store.Asset{{Device: "p3", IP: "10.0.1.3"}, {IP: "10.0.1.77"}}
	b := done(alert("2", "eng", "p1", night.Add(time.Minute)), "write", "write", "Write Single Register", "done")
	m.put(a, b)
	correlate(t, New(m, quiet), a, b)
	want := "2 alerts, on 2026-03-14 from 02:58:04 to 02:59:04 UTC. ENG-03 is confirmed to be compromised (endpoint protection)." +
		" ENG-03 stopped PLC-2. It wrote to PLC-1. Not touched yet, but within reach: PLC-3 and 10.0.1.77."
	if got := m.whole()[0]; got.Summary != want || got.Level != "control" || got.Severity != "medium" || got.Status != StatusNew || got.Product != Product {
		t.Errorf("got %+v\nwant summary %q", got, want)
	}
}

func TestNameArrivingLaterIsUsed(t *testing.T) {
	m := plant()
	eng := m.devices["eng"]
	delete(m.devices, "eng")
	a := done(alert("1", "eng", "p2", night), "control", "control", "PLC Stop", "done")
	m.put(a)
	e := New(m, quiet)
	correlate(t, e, a)
	if got, want := m.whole()[0].Title, "Device 10.0.0.9 stopped PLC-2"; got != want {
		t.Fatalf("title = %q, want %q", got, want)
	}
	m.devices["eng"] = eng
	if err := e.Devices(t.Context(), "plant", []store.Device{eng}); err != nil {
		t.Fatal(err)
	}
	if got, want := m.whole()[0].Title, "Workstation ENG-03 (10.0.0.9) stopped PLC-2"; got != want {
		t.Fatalf("title = %q, want %q", got, want)
	}
	saves := m.saves
	for _, again := range []*Engine{e, New(m, quiet)} {
		for range 2 {
			if err := again.Devices(t.Context(), "plant", []store.Device{eng, m.devices["hmi"]}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if m.saves != saves {
		t.Errorf("%d saves for names that were known", m.saves-saves)
	}
}
