package opcua

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/protocols"
)

// However a message is cut into chunks, and whatever comes between them, it gives the same events.
func TestChunkingDoesNotMatter(t *testing.T) {
	body := join(ask(631), read(numeric(2, 1), numeric(2, 2), join([]byte{formString, 3, 0}, str("Boiler"))))
	want, err := dissect(t, opened(t), protocols.Client, chunk("F", 2, body))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		d := opened(t)
		var got []protocols.Event
		for rest := body; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "size")
			letter := "C"
			if n == len(rest) {
				letter = "F"
			}
			got, err = dissect(t, d, protocols.Client, chunk(letter, 2, rest[:n]))
			if err != nil {
				rt.Fatal(err)
			}
			if rest = rest[n:]; rapid.Bool().Draw(rt, "between") {
				dissect(t, d, protocols.Server, chunk("C", 2, answer(634, 0)))
			}
		}
		if len(got) != len(want) {
			rt.Fatalf("%d events, want %d", len(got), len(want))
		}
		for i := range got {
			if got[i].Object != want[i].Object || got[i].Message != want[i].Message {
				rt.Errorf("%+v, want %+v", got[i], want[i])
			}
		}
	})
}

// The table of open requests against a list that is searched.
func TestPendingAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p pending
		var model []exchange
		var unanswered uint64
		giveUp := func(x exchange) {
			if !x.excused {
				unanswered++
			}
		}
		remove := func(id uint32) (exchange, bool) {
			for i, x := range model {
				if x.id == id {
					model = append(append([]exchange{}, model[:i]...), model[i+1:]...)
					return x, true
				}
			}
			return exchange{}, false
		}
		for frame := range rapid.IntRange(1, 600).Draw(t, "steps") {
			id := rapid.Uint32Range(0, 300).Draw(t, "id")
			if rapid.IntRange(0, 3).Draw(t, "answer") == 0 {
				got := p.take(id)
				want, ok := remove(id)
				if (got != nil) != ok {
					t.Fatalf("take %d: %v, want %v", id, got != nil, ok)
				}
				if !ok {
					continue
				}
				if got.frame != want.frame || len(got.targets) != len(want.targets) {
					t.Fatalf("take %d: frame %d, want %d", id, got.frame, want.frame)
				}
				p.release(got)
				continue
			}
			n := rapid.IntRange(0, 200).Draw(t, "targets")
			if rapid.IntRange(0, 50).Draw(t, "gap") == 0 {
				p.excuse()
				for i := range model {
					model[i].excused = true
				}
			}
			x := p.begin()
			x.id, x.frame, x.excused = id, uint64(frame), rapid.IntRange(0, 9).Draw(t, "excused") == 0
			excused := x.excused
			for range n {
				x.targets = append(x.targets, target{})
			}
			p.put(x)
			if old, ok := remove(id); ok {
				giveUp(old)
			}
			sum := n
			for _, x := range model {
				sum += len(x.targets)
			}
			for len(model) >= maxPending || len(model) > 0 && sum > maxTargets {
				sum -= len(model[0].targets)
				giveUp(model[0])
				model = model[1:]
			}
			model = append(model, exchange{id: id, frame: uint64(frame), excused: excused, targets: make([]target, n)})
		}
		if len(p.open) != len(model) {
			t.Fatalf("%d open, want %d", len(p.open), len(model))
		}
		if n := p.left(false); n != unanswered {
			t.Fatalf("%d unanswered, want %d", n, unanswered)
		}
		unanswered = 0
		for _, x := range model {
			giveUp(x)
		}
		if n := p.left(true); n != unanswered || len(p.open) != 0 || p.targets != 0 {
			t.Fatalf("%d unanswered at the end, want %d; %d open with %d targets", n, unanswered, len(p.open), p.targets)
		}
		room := 0
		for _, x := range p.idle {
			room += cap(x.targets)
		}
		if room != p.spare || room > maxSpare {
			t.Fatalf("idle exchanges have room for %d targets, %d counted", room, p.spare)
		}
	})
}

// What an independent implementation encodes is what is read. Only bytes that it wrote itself are shown to it.
func TestAgainstAnotherEncoder(t *testing.T) {
	header := &ua.RequestHeader{AuthenticationToken: ua.NewByteStringNodeID(1, []byte{1, 2}), AdditionalHeader: ua.NewExtensionObject(nil)}
	guid := ua.NewGUIDNodeID(3, "72962B91-FA75-4AE6-8D28-B404DC7DAF63")
	request := &ua.WriteRequest{RequestHeader: header, NodesToWrite: []*ua.WriteValue{
		{NodeID: ua.NewNumericNodeID(0, 2258), AttributeID: ua.AttributeIDValue, Value: dataValueOf(t, float32(1.5))},
		{NodeID: ua.NewNumericNodeID(300, 70000), AttributeID: ua.AttributeIDValue, Value: dataValueOf(t, []int32{1, -2})},
		{NodeID: ua.NewStringNodeID(2, "Kessel.Füllstand"), AttributeID: ua.AttributeIDValue, Value: dataValueOf(t, "voll")},
		{NodeID: guid, AttributeID: ua.AttributeIDValue, Value: dataValueOf(t, true)},
	}}
	body, err := ua.Encode(request)
	if err != nil {
		t.Fatal(err)
	}
	events, err := dissect(t, opened(t), protocols.Client, chunk("F", 2, numeric(0, 673), body))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprintf("%s = %s", e.Object.Name, e.Values.Append(nil, 0, 8)))
	}
	want := []string{
		"i=2258 = 1.5", "ns=300;i=70000 = 01000000feffffff", `ns=2;s=Kessel.Füllstand = "voll"`,
		"ns=3;g=72962b91-fa75-4ae6-8d28-b404dc7daf63 = true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The numbers of the tables are those that an independent implementation took from the specification's own tables.
func TestNumbersAgainstAnotherTable(t *testing.T) {
	type number struct {
		id   uint32
		name string // or its end
	}
	numbers := []number{
		{buildInfoID, "BuildInfo_Encoding_DefaultBinary"}, {serverStatusID, "ServerStatusDataType_Encoding_DefaultBinary"},
		{dataChangeID, "DataChangeNotification_Encoding_DefaultBinary"}, {eventListID, "EventNotificationList_Encoding_DefaultBinary"},
		{statusChangeID, "StatusChangeNotification_Encoding_DefaultBinary"}, {eventFilterID, "EventFilter_Encoding_DefaultBinary"},
		{rangeID, "Range_Encoding_DefaultBinary"}, {engineeringID, "EUInformation_Encoding_DefaultBinary"},
		{userTokenID, "UserNameIdentityToken_Encoding_DefaultBinary"},
	}
	for n, name := range histories {
		numbers = append(numbers, number{n, name + "_Encoding_DefaultBinary"})
	}
	for node, m := range methods {
		var n uint32
		if _, err := fmt.Sscanf(node, "i=%d", &n); err != nil {
			t.Errorf("method %q: %v", node, err)
		}
		numbers = append(numbers, number{n, "_" + m.name})
	}
	for _, s := range serviceRows[1:] {
		numbers = append(numbers, number{uint32(s.id), s.name + "_Encoding_DefaultBinary"})
	}
	for _, n := range numbers {
		if got := id.Name(n.id); !strings.HasSuffix(strings.ToLower(got), strings.ToLower(n.name)) {
			t.Errorf("%d is %s, not %s", n.id, got, n.name)
		}
	}
}

func dataValueOf(t *testing.T, v any) *ua.DataValue {
	t.Helper()
	variant, err := ua.NewVariant(v)
	if err != nil {
		t.Fatal(err)
	}
	return &ua.DataValue{EncodingMask: ua.DataValueValue, Value: variant}
}

// TestStatusText shows that flags do not hide a code's name, and that an unknown code shows its number.
func TestStatusText(t *testing.T) {
	for s, want := range map[status]string{
		0: "Good", 0x801F0000: "BadUserAccessDenied", 0x80210000: "BadIdentityTokenRejected", 0x80340400: "BadNodeIdUnknown",
		0x8FFF0001: "0x8FFF0001",
	} {
		if got := s.String(); got != want {
			t.Errorf("%#x: %s, want %s", uint32(s), got, want)
		}
	}
}

// A long or broken name stays distinct, bounded and valid.
func TestTextIsBounded(t *testing.T) {
	long := make([]byte, 60000)
	other := append(append([]byte{}, long...), 1)
	if a, b := text(long), text(other); a == b || len(a) > maxText+24 {
		t.Errorf("two names of %d and %d bytes", len(a), len(b))
	}
	if got := text([]byte{'a', 0xff, 'b'}); got != "a\uFFFDb" {
		t.Errorf("%q", got)
	}
}
