package opcua

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// repeat nests a head n times around an end.
func repeat(head []byte, n int, end []byte) []byte {
	return append(bytes.Repeat(head, n), end...)
}

// What has broken decoders of OPC UA. Each must be an error that names the message, and an event.
func TestHostileMessages(t *testing.T) {
	write := func(v []byte) []byte {
		return join(ask(673), le32(1), numeric(2, 7), le32(attributeValue), null, []byte{1}, v)
	}
	variantOf := func(kind builtin) byte { return byte(kind) | 0x80 }
	tests := map[string][]byte{
		"array of 2^31-1 values":           write(join([]byte{variantOf(typeByte)}, le32(1<<31-1))),
		"array of 2^31-1 nulls":            write(join([]byte{variantOf(typeNull)}, le32(1<<31-1))),
		"array of -2 values":               write(join([]byte{variantOf(typeDouble)}, le32(1<<32-2))),
		"dimensions of 2^31-1":             write(join([]byte{variantOf(typeByte) | 0x40}, le32(0), le32(1<<31-1))),
		"variants nested 1 MiB deep":       write(repeat([]byte{byte(typeVariant)}, 1<<20, []byte{0})),
		"arrays of variants nested":        write(repeat(join([]byte{variantOf(typeVariant)}, le32(1)), 1<<16, []byte{0})),
		"data values nested":               write(repeat([]byte{byte(typeDataValue), 1}, 1<<16, []byte{0, 0})),
		"diagnostics nested in a value":    write(repeat([]byte{byte(typeDiagnosticInfo)}, 1, repeat([]byte{diagnosticInner}, 1<<16, []byte{0}))),
		"type 63":                          write([]byte{63}),
		"text of 2^31-1 bytes":             write(join([]byte{byte(typeString)}, le32(1<<31-1))),
		"text of -2 bytes":                 write(join([]byte{byte(typeString)}, le32(1<<32-2))),
		"extension object with body 3":     write([]byte{byte(typeExtensionObject), 0, 0, 3}),
		"extension object beyond the end":  write(join([]byte{byte(typeExtensionObject), 0, 0, 1}, le32(100))),
		"data value with unknown bits":     join(ask(673), le32(1), numeric(2, 7), le32(13), null, []byte{0xc0}),
		"2^31-1 nodes":                     join(ask(631), make([]byte, 12), le32(1<<31-1)),
		"-2 nodes":                         join(ask(631), make([]byte, 12), le32(1<<32-2)),
		"node id of form 7":                join(ask(631), make([]byte, 12), le32(1), []byte{7}, make([]byte, 40)),
		"no parameters":                    ask(631),
		"request header cut off":           ask(631)[:12],
		"no service":                       {0x13, 0x37},
		"2^31-1 monitored items":           join(ask(751), le32(1), le32(0), le32(1<<31-1)),
		"2^31-1 items to modify":           join(ask(763), le32(1), le32(0), le32(1<<31-1)),
		"2^31-1 items to switch":           join(ask(769), le32(1), le32(0), le32(1<<31-1)),
		"2^31-1 items to trigger":          join(ask(775), le32(1), le32(1), le32(0), le32(1<<31-1)),
		"2^31-1 items to delete":           join(ask(781), le32(1), le32(1<<31-1)),
		"2^31-1 subscriptions":             join(ask(847), le32(1<<31-1)),
		"2^31-1 continuation points":       join(ask(533), []byte{0}, le32(1<<31-1)),
		"2^31-1 types to query":            join(ask(615), []byte{0, 0}, make([]byte, 12), le32(1<<31-1)),
		"2^31-1 data to query":             join(ask(615), []byte{0, 0}, make([]byte, 12), le32(1), []byte{0, 0, 1}, le32(1<<31-1)),
		"2^31-1 filters":                   join(ask(615), []byte{0, 0}, make([]byte, 12), le32(0), le32(1<<31-1)),
		"2^31-1 arguments":                 join(ask(712), le32(1), numeric(2, 1), numeric(2, 2), le32(1<<31-1)),
		"history update without its node":  join(ask(700), le32(2), []byte{0, 0, 0}),
		"2^31-1 elements of a browse path": join(ask(554), le32(1), numeric(0, 85), le32(1<<31-1)),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			d := opened(t)
			events, err := dissect(t, d, protocols.Client, chunk("F", 2, body))
			if err == nil || len(events) == 0 {
				t.Fatalf("%d events, error %v", len(events), err)
			}
			after, err := dissect(t, d, protocols.Client, chunk("F", 3, ask(631), read(numeric(2, 7))))
			if err != nil || len(after) != 1 || after[0].Object.Name != "ns=2;i=7" {
				t.Errorf("the next message gives %v, %v", after, err)
			}
		})
	}
}

func TestHostileAnswers(t *testing.T) {
	diagnostics := join(numeric(0, 634), make([]byte, 8), le32(1), le32(0))
	tests := map[string][]byte{
		"diagnostics nested without end": join(diagnostics, bytes.Repeat([]byte{diagnosticInner}, 1<<16)),
		"diagnostics with bit 7":         join(diagnostics, []byte{0x80}),
		"2^31-1 strings":                 join(diagnostics, []byte{0}, le32(1<<31-1)),
		"2^31-1 results":                 join(answer(634, 0), le32(1<<31-1)),
		"2^31-1 diagnostics":             join(answer(634, 0), le32(0), le32(1<<31-1)),
		"2^31-1 endpoints":               join(answer(431, 0), le32(1<<31-1)),
		"2^31-1 servers":                 join(answer(425, 0), le32(1<<31-1)),
		"2^31-1 references":              join(answer(530, 0), le32(1), le32(0), null, le32(1<<31-1)),
		"2^31-1 aliases":                 join(answer(563, 0), le32(1<<31-1)),
		"2^31-1 data sets":               join(answer(618, 0), le32(1<<31-1)),
		"2^31-1 parsing results":         join(answer(618, 0), le32(0), null, le32(1<<31-1)),
		"2^31-1 transfers":               join(answer(844, 0), le32(1<<31-1)),
		"2^31-1 events": join(answer(829, 0), le32(1), le32(0), []byte{0}, make([]byte, 12), le32(1),
			numeric(0, eventListID), []byte{1}, le32(4), le32(1<<31-1)),
		"2^31-1 fields of an event": join(answer(829, 0), le32(1), le32(0), []byte{0}, make([]byte, 12), le32(1),
			numeric(0, eventListID), []byte{1}, le32(12), le32(1), le32(7), le32(1<<31-1)),
		"2^31-1 changes in a sound message": join(answer(829, 0), le32(1), le32(0), []byte{0}, make([]byte, 12), le32(1),
			numeric(0, dataChangeID), []byte{1}, le32(4), le32(1<<31-1), null, null),
		"status change cut off": join(answer(829, 0), le32(1), le32(0), []byte{0}, make([]byte, 12), le32(1),
			numeric(0, statusChangeID), []byte{1}, le32(2), []byte{0, 0}),
		"2^31-1 notifications": join(answer(829, 0), le32(1), le32(0), []byte{0}, make([]byte, 12), le32(1<<31-1)),
		"2^31-1 changes": join(answer(829, 0), le32(1), le32(0), []byte{0}, make([]byte, 12), le32(1),
			numeric(0, dataChangeID), []byte{1}, le32(4), le32(1<<31-1)),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			d := opened(t)
			if _, err := dissect(t, d, protocols.Client, chunk("F", 2, ask(631), read(numeric(2, 7)))); err != nil {
				t.Fatal(err)
			}
			events, err := dissect(t, d, protocols.Server, chunk("F", 2, body))
			if err == nil || len(events) == 0 {
				t.Fatalf("%d events, error %v", len(events), err)
			}
			for _, e := range events {
				if e.Outcome == protocols.OutcomeDone {
					t.Errorf("what could not be read is reported as done: %+v", e)
				}
			}
		})
	}
}

// The chunks of a conversation are bounded in number and in bytes, and the service is still told.
func TestChunkFlood(t *testing.T) {
	d := opened(t)
	big := make([]byte, 60<<10)
	if _, err := dissect(t, d, protocols.Client, chunk("C", 2, ask(631), read(numeric(2, 7))[:12], le32(20000), read(numeric(2, 7))[16:])); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := dissect(t, d, protocols.Client, chunk("C", uint32(2+i%4), big)); err != nil {
			t.Fatal(err)
		}
	}
	held := 0
	for _, p := range d.partials.open {
		held += len(p.bytes)
	}
	if held != d.partials.bytes || held > maxAssembled {
		t.Errorf("%d bytes held, %d counted", held, d.partials.bytes)
	}
	events, err := dissect(t, d, protocols.Client, chunk("F", 2, []byte{0}))
	if err != nil || len(events) == 0 || events[0].Message != "ReadRequest" || events[0].Object.Name != "ns=2;i=7" {
		t.Errorf("%d events, error %v", len(events), err)
	}
	for i := range 1000 {
		if _, err := dissect(t, d, protocols.Server, chunk("C", uint32(i), ask(631))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.partials.open); n != maxPartials {
		t.Errorf("%d messages in progress", n)
	}
	d.Gap(protocols.Server)
	d.Gap(protocols.Client)
	if len(d.partials.open) != 0 || d.partials.bytes != 0 {
		t.Errorf("%d messages with %d bytes after the gaps", len(d.partials.open), d.partials.bytes)
	}
}

// Requests that are never answered, node names and monitored items without end must not grow the state without end.
func TestTablesAreBounded(t *testing.T) {
	d := opened(t)
	for i := range uint32(maxNames + 200) {
		name := join([]byte{formString, 2, 0}, str(fmt.Sprintf("node %d %s", i, strings.Repeat("x", int(i%1500)))))
		dissect(t, d, protocols.Client, chunk("F", i, ask(631), read(name, name, name)))
		item := join(name, le32(13), null, le16(0), null, le32(2), le32(i), make([]byte, 8), []byte{0, 0, 0}, make([]byte, 5))
		dissect(t, d, protocols.Client, chunk("F", i, ask(751), le32(1), le32(0), le32(1), item))
		dissect(t, d, protocols.Server, chunk("F", i, answer(754, 0), le32(1), le32(0), le32(i), make([]byte, 12), []byte{0, 0, 0}, null))
		dissect(t, d, protocols.Client, chunk("F", i, ask(560), le32(1), name))
		dissect(t, d, protocols.Server, chunk("F", i, answer(563, 0), le32(1), []byte{formNumeric, 9, 0}, le32(i)))
		browse := join(name, le32(0), []byte{0, 0, 1}, le32(0), le32(63))
		dissect(t, d, protocols.Client, chunk("F", i, ask(527), []byte{0, 0}, make([]byte, 16), le32(1), browse))
		dissect(t, d, protocols.Server, chunk("F", i, answer(530, 0), le32(1), le32(0), str(fmt.Sprint("point", i)), null, null))
		user := join([]byte{formFourByte, 0}, le16(userTokenID), []byte{1})
		token := join(str("p"), str(fmt.Sprint("user", i)), null, null)
		dissect(t, d, protocols.Client, chunk("F", i, ask(467), null, null, null, null, user, le32(uint32(len(token))), token, null, null))
	}
	if n := len(d.pending.open); n > maxPending {
		t.Errorf("%d open requests", n)
	}
	targets := 0
	for _, x := range d.pending.open {
		targets += len(x.x.targets)
	}
	if targets != d.pending.targets || targets > maxTargets {
		t.Errorf("%d targets, %d counted", targets, d.pending.targets)
	}
	bytes := 0
	for key, name := range d.names.byID {
		bytes += len(key) + len(name) + headers
	}
	if len(d.names.byID) > maxNames || bytes != d.names.bytes || bytes > maxNameBytes {
		t.Errorf("%d names of %d bytes, %d counted", len(d.names.byID), bytes, d.names.bytes)
	}
	if len(d.items.handles) == 0 || len(d.continued) == 0 || len(d.continued) > maxContinued {
		t.Errorf("%d items of the server, %d continuation points", len(d.items.handles), len(d.continued))
	}
	if len(d.items.byHandle) > maxItems || len(d.items.handles) > maxItems || len(d.disclosed) > maxDisclosed {
		t.Errorf("%d items, %d facts", len(d.items.byHandle), len(d.disclosed))
	}
}

// Nobody hides a write behind many others, and a huge poll does not give a flood of events.
func TestManyNodes(t *testing.T) {
	var nodes, writes [][]byte
	for i := range uint16(1500) {
		nodes = append(nodes, numeric(2, i))
		writes = append(writes, join(numeric(2, i), le32(13), null, []byte{1, byte(typeBoolean), 1}))
	}
	tests := []struct {
		name string
		body []byte
		max  int
	}{
		{"reads", join(ask(631), read(nodes...)), maxEvents},
		{"writes", join(ask(673), le32(uint32(len(writes))), join(writes...)), maxAltering},
	}
	for _, test := range tests {
		events, err := dissect(t, opened(t), protocols.Client, chunk("F", 2, test.body))
		if err != nil || len(events) != test.max+1 {
			t.Fatalf("%s: %d events, error %v", test.name, len(events), err)
		}
		if rest := events[test.max].Object; rest.Count != uint32(1500-test.max) || rest.Name != "" {
			t.Errorf("%s: the last event is about %+v", test.name, rest)
		}
	}
}

// An answer must be the answer to what was asked: a response of another service is not, and its request is void.
func TestAnswerOfAnotherService(t *testing.T) {
	d := opened(t)
	dissect(t, d, protocols.Client, chunk("F", 2, ask(673), le32(1), numeric(2, 7), le32(13), null, []byte{1, byte(typeBoolean), 1}))
	events, err := dissect(t, d, protocols.Server, chunk("F", 2, answer(634, 0), doubles(1)))
	if err != nil || len(events) != 1 || events[0].Object != (protocols.Object{}) || events[0].Action != protocols.ActionRead {
		t.Errorf("%+v, error %v", events, err)
	}
	if events[0].Detail.(*Detail).RequestFrame != 0 {
		t.Error("the answer names a request")
	}
}

// A password stands in the clear where a channel is not encrypted. It must appear nowhere.
func TestPasswordIsNotKept(t *testing.T) {
	token := join(str("policy"), str("operator"), str("hunter2"), null)
	events, err := dissect(t, opened(t), protocols.Client, chunk("F", 2, ask(467), null, null, null, null,
		numeric(0, userTokenID), []byte{1}, le32(uint32(len(token))), token, null, null))
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, error %v", len(events), err)
	}
	if all := fmt.Sprintf("%+v %+v", events[0], events[0].Detail); strings.Contains(all, "hunter2") || !strings.Contains(all, "operator") {
		t.Error(all)
	}
}

// An item beyond those that events tell of is known all the same when it is told of later, and an alias likewise.
func TestManyItems(t *testing.T) {
	const many, last = maxEvents + 50, maxEvents + 49
	var nodes, items, created, aliases [][]byte
	for i := range uint16(many) {
		nodes = append(nodes, numeric(2, i))
		items = append(items, join(numeric(2, i), le32(13), null, le16(0), null, le32(2), le32(uint32(i)), make([]byte, 8), []byte{0, 0, 0}, make([]byte, 5)))
		created = append(created, join(le32(0), le32(5000+uint32(i)), make([]byte, 12), []byte{0, 0, 0}))
		aliases = append(aliases, numeric(9, i))
	}
	d := opened(t)
	want := fmt.Sprint("ns=2;i=", last)
	for _, step := range []struct {
		from  protocols.Side
		bytes []byte
	}{
		{protocols.Client, join(ask(751), le32(1), le32(0), le32(many), join(items...))},
		{protocols.Server, join(answer(754, 0), le32(many), join(created...), null)},
		{protocols.Client, join(ask(560), le32(many), join(nodes...))},
		{protocols.Server, join(answer(563, 0), le32(many), join(aliases...))},
	} {
		events, err := dissect(t, d, step.from, chunk("F", 2, step.bytes))
		if err != nil || len(events) > maxEvents+1 || events[len(events)-1].Object.Count != many-uint32(len(events)-1) {
			t.Fatalf("%d events, the last about %+v, error %v", len(events), events[len(events)-1].Object, err)
		}
	}
	for _, body := range [][]byte{
		join(ask(781), le32(1), le32(1), le32(5000+last)),
		join(ask(631), read(numeric(9, last))),
	} {
		if events, err := dissect(t, d, protocols.Client, chunk("F", 3, body)); err != nil || events[0].Object.Name != want {
			t.Errorf("%+v, error %v, want %s", events[0].Object, err, want)
		}
	}
}

// FuzzParameters reads arbitrary parameters of every service, as a request and as its answer.
func FuzzParameters(f *testing.F) {
	for _, s := range serviceRows[1:] {
		f.Add(s.id, []byte{})
	}
	f.Add(uint16(631), read(numeric(2, 7)))
	f.Add(uint16(634), doubles(1, 2))
	f.Add(uint16(751), join(le32(1), le32(0), le32(1), numeric(0, 2253), le32(12), null, le16(0), null, le32(2), le32(7), make([]byte, 8),
		numeric(0, eventFilterID), []byte{1}, le32(35), le32(1), numeric(0, 2041), le32(1), le16(0), str("Message"), le32(13), null, make([]byte, 5)))
	f.Add(uint16(829), join(le32(1), le32(0), []byte{0}, make([]byte, 12), le32(1),
		numeric(0, eventListID), []byte{1}, le32(13), le32(1), le32(7), le32(1), []byte{byte(typeBoolean), 1}, null, null))
	f.Add(uint16(763), join(le32(1), le32(0), le32(1), le32(5), le32(7), make([]byte, 8), []byte{0, 0, 0}, make([]byte, 5)))
	f.Add(uint16(533), join([]byte{0}, le32(1), str("p")))
	f.Add(uint16(563), join(le32(2), numeric(9, 1), numeric(9, 2)))
	f.Add(uint16(615), join([]byte{0, 0}, make([]byte, 12), le32(1), numeric(2, 1), []byte{1}, le32(0), le32(0), make([]byte, 8)))
	f.Add(uint16(673), join(le32(1), numeric(2, 7), le32(13), null, []byte{1, 0x80 | byte(typeVariant)}, le32(1), []byte{byte(typeDataValue), 0}))
	f.Fuzz(func(t *testing.T, id uint16, parameters []byte) {
		s := serviceOf(uint32(id))
		if s == nil || len(parameters) > 4<<10 {
			return
		}
		d := opened(t)
		head, from := ask(id), protocols.Client
		if s.response {
			head, from = answer(id, 0), protocols.Server
			if _, err := dissect(t, d, protocols.Client, chunk("F", 2, ask(631), read(numeric(2, 7), numeric(0, 2256)))); err != nil {
				t.Fatal(err)
			}
		}
		events, _ := dissect(t, d, from, chunk("F", 2, head, parameters))
		if len(events) == 0 || len(events) > len(parameters)+2 {
			t.Fatalf("%d events from %d bytes", len(events), len(parameters))
		}
		if _, err := json.Marshal(events[0].Detail); err != nil {
			t.Error(err)
		}
	})
}
