package opcua

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// detailOf gives the detail of a message's first event.
func detailOf(t *testing.T, d protocols.Dissector, from protocols.Side, b []byte) *Detail {
	t.Helper()
	events, err := dissect(t, d, from, b)
	if err != nil || len(events) == 0 {
		t.Fatalf("%d events, error %v", len(events), err)
	}
	return events[0].Detail.(*Detail)
}

// Chunks that never came show as missing, unless the sensor itself lost bytes or the sender counts anew.
func TestMissingChunks(t *testing.T) {
	d := opened(t) // sequence number 1
	numbered := func(n uint32) uint32 {
		b := frame("MSGF", le32(9), le32(3), le32(n), le32(n), ask(631), read(numeric(2, 7)))
		return detailOf(t, d, protocols.Client, b).Missing
	}
	for _, step := range []struct{ number, missing uint32 }{{2, 0}, {3, 0}, {7, 3}, {8, 0}, {8, 0}, {5, 0}, {1 << 31, 0}, {1<<31 + 2, 1}, {17, 0}} {
		if got := numbered(step.number); got != step.missing {
			t.Errorf("number %d: %d missing, want %d", step.number, got, step.missing)
		}
	}
	d.Gap(protocols.Client)
	if got := numbered(40); got != 0 {
		t.Errorf("after a gap: %d missing", got)
	}
}

// A new token for an open channel is told from a new channel.
func TestRenewal(t *testing.T) {
	d := opened(t)
	renew := frame("OPNF", le32(9), str(policyPrefix+policyNone), null, null, le32(2), le32(2), ask(446),
		le32(0), le32(1), le32(1), null, le32(60000))
	if x := detailOf(t, d, protocols.Client, renew); !x.Renewal || x.Lifetime != 60000 {
		t.Errorf("renewal %v for %d ms", x.Renewal, x.Lifetime)
	}
	answered := frame("OPNF", le32(9), str(policyPrefix+policyNone), null, null, le32(2), le32(2), answer(449, 0),
		le32(0), le32(9), le32(4), make([]byte, 8), le32(60000), null)
	if x := detailOf(t, d, protocols.Server, answered); x.NewToken == nil || *x.NewToken != 4 {
		t.Errorf("token %v", x.NewToken)
	}
}

// Structures that the specification names show their fields; one that is cut off shows its bytes.
func TestStructuresAreShown(t *testing.T) {
	object := func(id uint16, body ...[]byte) []byte {
		b := join(body...)
		return join(numeric(0, id), []byte{1}, le32(uint32(len(b))), b)
	}
	text := func(s string) []byte { return join([]byte{2}, str(s)) }
	tests := map[string]struct {
		bytes []byte
		want  string
	}{
		"range":     {object(rangeID, make([]byte, 8), make([]byte, 6), []byte{0x59, 0x40}), `{"high":100,"low":0,"type":"i=886"}`},
		"unit":      {object(engineeringID, null, le32(4408652), text("°C"), text("degree")), `{"description":"degree","type":"i=889","unit":"°C","unit_id":4408652}`},
		"cut off":   {object(rangeID, make([]byte, 4)), `{"body":"00000000","type":"i=886"}`},
		"not known": {object(999, []byte{7}), `{"body":"07","type":"i=999"}`},
	}
	for name, test := range tests {
		response := join(le32(1), []byte{1, byte(typeExtensionObject)}, test.bytes, null)
		got, err := json.Marshal(detailOf(t, opened(t), protocols.Server, chunk("F", 2, answer(634, 0), response)).Values[0])
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// The audit entry of a request says on whose behalf a client acts.
func TestAuditEntry(t *testing.T) {
	body := join(numeric(0, 473), []byte{0, 0}, make([]byte, 8), le32(1), le32(0), str("shift 3"), le32(0), []byte{0, 0, 0}, []byte{1})
	if got := detailOf(t, opened(t), protocols.Client, chunk("F", 2, body)).AuditEntry; got != "shift 3" {
		t.Errorf("audit entry %q", got)
	}
}

// Of an array one element may be read or written; the element shows beside the node.
func TestIndexRanges(t *testing.T) {
	d := opened(t)
	write := join(ask(673), le32(1), numeric(2, 7), le32(attributeValue), str("3:5"), []byte{1, byte(typeBoolean), 1})
	if got := detailOf(t, d, protocols.Client, chunk("F", 2, write)).Ranges; len(got) != 1 || got[0] != "ns=2;i=7 3:5" {
		t.Errorf("%q", got)
	}
	if got := detailOf(t, d, protocols.Client, chunk("F", 3, ask(631), read(numeric(2, 7)))).Ranges; got != nil {
		t.Errorf("%q for the whole array", got)
	}
}

// A directory tells of others: of those whose address it gives.
func TestServersOnNetwork(t *testing.T) {
	record := func(name, url string) []byte { return join(le32(1), str(name), str(url), le32(1), str("LDS")) }
	body := join(answer(12209, 0), make([]byte, 8), le32(3),
		record("boiler", "opc.tcp://10.0.0.7:4840"), record("pump", "opc.tcp://pump:4840"), record("self", "opc.tcp://127.0.0.1"))
	events, err := dissect(t, opened(t), protocols.Server, chunk("F", 2, body))
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, error %v", len(events), err)
	}
	addr := netip.MustParseAddr("10.0.0.7")
	want := []protocols.Fact{
		{Addr: addr, Key: protocols.FactApplication, Value: "boiler", Confidence: 60},
		{Addr: addr, Key: protocols.FactURL, Value: "opc.tcp://10.0.0.7:4840", Confidence: 60},
	}
	if !slices.Equal(events[0].Facts, want) {
		t.Errorf("%+v, want %+v", events[0].Facts, want)
	}
}
