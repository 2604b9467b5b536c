package inventory

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// Who serves names and addresses, or asks for them, is no controller and has no part in OT.
func TestOrdinaryProtocolsAreNoOT(t *testing.T) {
	play := func(ordinary bool) (server, client Device) {
		i := New(Config{Site: "Harbour"})
		c := conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.1", 53, mac(1)))
		f := flow(c, 0)
		f.Protocol, f.Ordinary = "names", ordinary
		i.Flow(f)
		for _, from := range []protocols.Side{protocols.Client, protocols.Server} {
			e := read(c, from, 1)
			e.Protocol, e.Ordinary = "names", ordinary
			i.Event(e)
		}
		server, _ = i.Device(i.ID(c.Server))
		client, _ = i.Device(i.ID(c.Client))
		return server, client
	}
	if server, _ := play(false); server.Category != CategoryOT {
		t.Errorf("who serves OT is %s", server.Category)
	}
	if server, client := play(true); server.Type != TypeServer || client.Type != TypeWorkstation {
		t.Errorf("who serves names is %s, who asks is %s", server.Type, client.Type)
	}
}
