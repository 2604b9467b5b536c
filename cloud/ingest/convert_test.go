package ingest_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

// TestConversionLosesNothing sends messages with a value of its own in every field, and looks for each of them in what is
// stored.
func TestConversionLosesNothing(t *testing.T) {
	p := newPlant(t, nil, nil)
	var f filler
	d, e, a := &pb.Device{}, &pb.Edge{}, &pb.Alert{}
	sent := map[string][]string{"device": f.fill(d.ProtoReflect()), "edge": f.fill(e.ProtoReflect()), "alert": f.fill(a.ProtoReflect())}
	d.Site, a.Site = "north", "north"
	s, _ := p.connect(p.dial(p.ca, "north", "s1"), "e")
	s.batch(routine("e", &pb.Record{Sequence: 1, Body: &pb.Record_Device{Device: d}}, &pb.Record{Sequence: 2, Body: &pb.Record_Edge{Edge: e}}))
	s.ack()
	s.batch(&pb.Batch{Epoch: "e", Lane: pb.Lane_LANE_ALERT, Records: []*pb.Record{{Sequence: 1, Body: &pb.Record_Alert{Alert: a}}}})
	s.ack()
	device, err := p.store.Device(t.Context(), "north", d.Id)
	if err != nil {
		t.Fatal(err)
	}
	edges, err := p.store.Edges(t.Context(), "north")
	if err != nil {
		t.Fatal(err)
	}
	for name, stored := range map[string]any{"device": device, "edge": edges, "alert": p.stored()} {
		text, err := json.Marshal(stored)
		if err != nil {
			t.Fatal(err)
		}
		for _, leaf := range sent[name] {
			field, value, _ := strings.Cut(leaf, "=")
			if !strings.Contains(string(text), value) && field != "Device.site" && field != "Alert.site" {
				t.Errorf("%s of a %s is not stored", field, name)
			}
		}
	}
}

// filler gives every field of a message a value that no other field has.
type filler struct{ n int }

// fill gives what it set, as NAME=VALUE with the value as JSON has it.
func (f *filler) fill(m protoreflect.Message) (leaves []string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		name := string(m.Descriptor().Name()) + "." + string(field.Name())
		switch {
		case field.IsMap():
			key, keyText := f.value(field.MapKey())
			value, valueText := f.value(field.MapValue())
			m.Mutable(field).Map().Set(key.MapKey(), value)
			leaves = append(leaves, name+"="+keyText+":"+valueText)
		case field.IsList() && field.Message() != nil:
			leaves = append(leaves, f.fill(m.Mutable(field).List().AppendMutable().Message())...)
		case field.IsList():
			value, text := f.value(field)
			m.Mutable(field).List().Append(value)
			leaves = append(leaves, name+"="+text)
		case field.Message() != nil && field.Message().FullName() == "google.protobuf.Timestamp":
			f.n++
			at := time.Unix(int64(f.n)*86400, 0).UTC()
			m.Set(field, protoreflect.ValueOfMessage(timestamppb.New(at).ProtoReflect()))
			leaves = append(leaves, name+"="+at.Format(`"2006-01-02T15:04:05Z"`))
		case field.Message() != nil:
			leaves = append(leaves, f.fill(m.Mutable(field).Message())...)
		default:
			value, text := f.value(field)
			m.Set(field, value)
			leaves = append(leaves, name+"="+text)
		}
	}
	return leaves
}

func (f *filler) value(field protoreflect.FieldDescriptor) (protoreflect.Value, string) {
	f.n++
	switch field.Kind() {
	case protoreflect.StringKind:
		text := fmt.Sprintf("text %d", f.n)
		return protoreflect.ValueOfString(text), `"` + text + `"`
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(1e15) + uint64(f.n)), fmt.Sprint(int(1e15) + f.n)
	case protoreflect.Uint32Kind:
		if field.Name() == "confidence" { // of 100 at most
			return protoreflect.ValueOfUint32(uint32(f.n % 100)), fmt.Sprintf(`"confidence":%d`, f.n%100)
		}
		return protoreflect.ValueOfUint32(uint32(20000 + f.n)), fmt.Sprint(20000 + f.n)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(30000.5 + float64(f.n)), fmt.Sprint(30000.5 + float64(f.n))
	case protoreflect.BoolKind: // its name alone tells it
		return protoreflect.ValueOfBool(true), fmt.Sprintf(`"%s":true`, field.Name())
	}
	panic("a field of a kind that the test does not know: " + field.FullName())
}

// A length of time that no record can hold stops neither the edge nor what comes with it.
func TestIntervalsAreNumbers(t *testing.T) {
	p := newPlant(t, nil, nil)
	s, _ := p.connect(p.dial(p.ca, "north", "s1"), "e")
	bad := []float64{math.NaN(), math.Inf(1), -1}
	records := make([]*pb.Record, 0, len(bad)+1)
	for n, seconds := range append(bad, 2.5) {
		records = append(records, &pb.Record{Sequence: uint64(n + 1), Body: &pb.Record_Edge{Edge: &pb.Edge{
			Client: fmt.Sprint("c", n), Server: "d", IntervalSeconds: seconds,
		}}})
	}
	s.batch(routine("e", records...))
	s.ack()
	edges, err := p.store.Edges(t.Context(), "north")
	var got []float64
	for _, e := range edges {
		got = append(got, e.Interval)
	}
	slices.Sort(got)
	if want := []float64{0, 0, 0, 2.5}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, stored %v, want %v", err, got, want)
	}
}
