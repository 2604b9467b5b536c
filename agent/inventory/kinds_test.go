package inventory

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// Whoever accepts set points moves the plant, whether it is a controller or the server in front of them.
func TestCriticality(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	c := conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.9", 4840, mac(9)))
	e := read(c, protocols.Server, 0)
	e.Object = protocols.Object{Area: areaNode, Name: "ns=1;s=Setpoint"}
	i.Event(e)
	if v, _ := i.Device(i.ID(c.Server)); v.Type != TypeSCADAServer || v.Criticality != "high" {
		t.Errorf("a %s has criticality %s, want a SCADA server's high", v.Type, v.Criticality)
	}
	if v, _ := i.Device(i.ID(c.Client)); v.Criticality != "low" {
		t.Errorf("a %s has criticality %s, want low", v.Type, v.Criticality)
	}
}
