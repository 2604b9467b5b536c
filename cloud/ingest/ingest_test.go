package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/spanwatch/spanwatch/cloud/authority"
	"github.com/spanwatch/spanwatch/cloud/store"
	pb "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestABatchTwiceIsStoredOnce(t *testing.T) {
	var mu sync.Mutex
	var told []string
	p := newPlant(t, func(_ context.Context, site string, alerts []store.Alert) {
		mu.Lock()
		defer mu.Unlock()
		for _, a := range alerts {
			told = append(told, site+" "+a.Site+" "+a.Sensor+" "+a.ID)
		}
	}, nil)
	s, welcome := p.connect(p.dial(p.ca, "north", "s1"), "e")
	if len(welcome.Acks) != 0 || !welcome.CollectorTime.IsValid() {
		t.Errorf("welcome %v", welcome)
	}
	for range 2 {
		s.batch(alerts("e", 1, 2))
		if at := s.ack(); at != 2 {
			t.Errorf("acknowledged %d", at)
		}
	}
	s.batch(alerts("e", 2, 4)) // partly known
	if at := s.ack(); at != 4 {
		t.Errorf("acknowledged %d", at)
	}
	gap := &pb.Record{Sequence: 5, Body: &pb.Record_Gap{Gap: &pb.Gap{FirstSequence: 1, LastSequence: 5, Dropped: 5}}}
	for range 2 {
		s.batch(routine("e", gap))
		if at := s.ack(); at != 5 {
			t.Errorf("acknowledged %d", at)
		}
	}
	p.stop()
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(told, ", "); got != "north north s1 a001, north north s1 a002, north north s1 a003, north north s1 a004" {
		t.Errorf("told of %s", got)
	}
}

func TestStoredAndResumed(t *testing.T) {
	p := newPlant(t, nil, nil)
	conn := p.dial(p.ca, "north", "s1")
	s, _ := p.connect(conn, "e")
	s.batch(alerts("e", 1, 3))
	s.ack()
	s.batch(routine("e",
		&pb.Record{Sequence: 1, Body: &pb.Record_Device{Device: &pb.Device{Id: "d", Site: "north", Vlans: []uint32{7}}}},
		&pb.Record{Sequence: 2, Body: &pb.Record_Edge{Edge: &pb.Edge{Client: "d", Server: "d", Port: 502}}},
		&pb.Record{Sequence: 3, Body: &pb.Record_Coverage{Coverage: &pb.Coverage{Total: true}}},
		&pb.Record{Sequence: 4}, // of a kind that is not known yet
	))
	if at := s.ack(); at != 4 {
		t.Errorf("acknowledged %d", at)
	}
	s.cancel()
	_, welcome := p.connect(conn, "e")
	var got []string
	for _, a := range welcome.Acks {
		got = append(got, fmt.Sprint(a.Epoch, a.Lane, a.Sequence))
	}
	if strings.Join(got, " ") != fmt.Sprint("e", pb.Lane_LANE_ALERT, 3, " e", pb.Lane_LANE_ROUTINE, 4) {
		t.Errorf("resumes at %v", got)
	}
	if _, welcome = p.connect(conn, "other"); len(welcome.Acks) != 0 {
		t.Errorf("another epoch resumes at %v", welcome.Acks)
	}
	d, err := p.store.Device(t.Context(), "north", "d")
	if err != nil || d.VLANs[0] != 7 || d.Sensor != "s1" {
		t.Errorf("%+v %v", d, err)
	}
	sensors, err := p.store.Sensors(t.Context(), "")
	if err != nil || len(sensors) != 1 || sensors[0].Version != "9.9" {
		t.Errorf("%+v %v", sensors, err)
	}
}

// TestCutsLoseNothing sends alerts from the resume point and cuts the connection at random moments.
func TestCutsLoseNothing(t *testing.T) {
	p := newPlant(t, nil, nil)
	random := rand.New(rand.NewPCG(1, 2))
	const last = 300
	for streams := 0; ; streams++ {
		conn := p.dial(p.ca, "north", "s1")
		s, welcome := p.connect(conn, "e")
		at := uint64(0)
		for _, a := range welcome.Acks {
			at = a.Sequence
		}
		if at == last {
			if streams < 5 {
				t.Errorf("only %d streams: nothing was cut", streams)
			}
			break
		}
		for range 1 + random.IntN(6) {
			n := min(last, at+1+random.Uint64N(20))
			s.batch(alerts("e", at+1, n))
			if at = n; at == last {
				break
			}
		}
		if random.IntN(2) == 0 {
			s.ack()
		}
		s.cancel()
		conn.Close()
	}
	all := p.stored()
	if len(all) != last {
		t.Fatalf("%d alerts stored, want %d", len(all), last)
	}
	for i, a := range all {
		if want := fmt.Sprintf("a%03d", i+1); a.ID != want {
			t.Fatalf("alert %d is %s", i, a.ID)
		}
	}
}

func TestWhoIsLetIn(t *testing.T) {
	p := newPlant(t, nil, nil)
	other, err := authority.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, ca := range map[string]*authority.Authority{"of another authority": other, "without a certificate": nil} {
		stream, err := pb.NewUplinkServiceClient(p.dial(ca, "north", "s1")).Stream(t.Context())
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.Unavailable {
			t.Errorf("a sensor %s: %v", name, err)
		}
	}
	if sensors, err := p.store.Sensors(t.Context(), ""); err != nil || len(sensors) != 0 {
		t.Errorf("%v %v", sensors, err)
	}
}

func TestRefusals(t *testing.T) {
	device := func(d *pb.Device) *pb.Record { return &pb.Record{Sequence: 3, Body: &pb.Record_Device{Device: d}} }
	good := []*pb.Record{
		{Sequence: 1, Body: &pb.Record_Device{Device: &pb.Device{Id: "d1"}}}, {Sequence: 2, Body: &pb.Record_Device{Device: &pb.Device{Id: "d2"}}},
	}
	for name, c := range map[string]struct {
		bad   *pb.Record
		named bool // the refusal names the record
		want  string
	}{
		"another site":      {device(&pb.Device{Id: "d3", Site: "south"}), false, `of site "south", and the sensor's certificate is for "north"`},
		"no id":             {device(&pb.Device{}), true, "device id of 0 bytes"},
		"a long id":         {device(&pb.Device{Id: strings.Repeat("x", 600)}), true, "device id of 600 bytes"},
		"a VLAN too large":  {device(&pb.Device{Id: "d", Vlans: []uint32{70000}}), true, "VLAN 70000"},
		"a confidence":      {device(&pb.Device{Id: "d", Facts: []*pb.Fact{{Confidence: 101}}}), true, "confidence 101"},
		"no such time":      {device(&pb.Device{Id: "d", LastSeen: &timestamppb.Timestamp{Nanos: -1}}), true, "last seen"},
		"a year too large":  {device(&pb.Device{Id: "d", LastSeen: &timestamppb.Timestamp{Seconds: 1 << 50}}), true, "last seen"},
		"an edge of nobody": {&pb.Record{Sequence: 3, Body: &pb.Record_Edge{Edge: &pb.Edge{Server: "x"}}}, true, "client of 0 bytes"},
		"a port":            {&pb.Record{Sequence: 3, Body: &pb.Record_Coverage{Coverage: &pb.Coverage{Port: 65536}}}, true, "port 65536"},
		"an alert's site":   {&pb.Record{Sequence: 3, Body: &pb.Record_Alert{Alert: &pb.Alert{Id: "a", Site: "x"}}}, false, `of site "x"`},
		"an empty record":   {&pb.Record{Sequence: 3, Body: &pb.Record_Alert{}}, true, "alert id of 0 bytes"},
		"a gap that lies":   {&pb.Record{Sequence: 3, Body: &pb.Record_Gap{Gap: &pb.Gap{FirstSequence: 3, LastSequence: 3, Dropped: 1 << 60}}}, true, "a gap from 3"},
		"a gap elsewhere":   {&pb.Record{Sequence: 3, Body: &pb.Record_Gap{Gap: &pb.Gap{FirstSequence: 3, LastSequence: 9, Dropped: 1}}}, true, "a gap from 3"},
		"a step back":       {&pb.Record{Sequence: 2, Body: good[0].Body}, false, "record 2 follows on record 2"},
		"a huge number":     {&pb.Record{Sequence: 1 << 63, Body: good[0].Body}, false, "follows on record 2"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t, nil, nil)
			s, _ := p.connect(p.dial(p.ca, "north", "s1"), "e")
			s.batch(routine("e", append(good[:2:2], c.bad)...))
			if at := s.ack(); at != 2 {
				t.Errorf("acknowledged %d: what stands before the bad record is good", at)
			}
			end := s.end()
			if end.Code() != codes.InvalidArgument || !strings.Contains(end.Message(), c.want) {
				t.Errorf("got %v", end)
			}
			var named *pb.Refusal
			for _, d := range end.Details() {
				named, _ = d.(*pb.Refusal)
			}
			if (named != nil) != c.named || c.named && !(named.Sequence == 3 && named.Lane == pb.Lane_LANE_ROUTINE && named.Epoch == "e") {
				t.Errorf("refusal %v", named)
			}
			p.stop()
			if !strings.Contains(p.log.String(), "sensor refused") {
				t.Error("nothing in the log")
			}
		})
	}
}

func TestRefusedStreams(t *testing.T) {
	p := newPlant(t, nil, nil)
	conn := p.dial(p.ca, "north", "s1")
	for name, b := range map[string]*pb.Batch{
		"another epoch": alerts("x", 1, 1), "no lane": {Epoch: "e", Records: alerts("e", 1, 1).Records}, "no records": {Epoch: "e", Lane: pb.Lane_LANE_ALERT},
	} {
		s, _ := p.connect(conn, "e")
		s.batch(b)
		if end := s.end(); end.Code() != codes.InvalidArgument || len(end.Details()) != 0 {
			t.Errorf("%s: %v", name, end)
		}
	}
	for name, first := range map[string]*pb.StreamRequest{
		"a batch first": {Body: &pb.StreamRequest_Batch{Batch: alerts("e", 1, 1)}}, "no epoch": {Body: &pb.StreamRequest_Hello{Hello: &pb.Hello{}}}, "nothing": {},
	} {
		stream, err := pb.NewUplinkServiceClient(conn).Stream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s := &sensor{t: t, stream: stream}
		s.send(first)
		if end := s.end(); end.Code() != codes.InvalidArgument {
			t.Errorf("%s: %v", name, end)
		}
	}
	s, _ := p.connect(conn, "e")
	big := alerts("e", 1, 1)
	big.Records[0].GetAlert().Description = strings.Repeat("x", 5<<20)
	s.batch(big)
	if end := s.end(); end.Code() != codes.ResourceExhausted {
		t.Errorf("a message of 5 MiB: %v", end)
	}
}

func TestANewStreamDisplacesTheOldOne(t *testing.T) {
	p := newPlant(t, nil, nil)
	old, _ := p.connect(p.dial(p.ca, "north", "s1"), "e")
	other, _ := p.connect(p.dial(p.ca, "north", "s2"), "e")
	old.batch(alerts("e", 1, 2))
	old.ack()
	renewed, welcome := p.connect(p.dial(p.ca, "north", "s1"), "e")
	if len(welcome.Acks) != 1 || welcome.Acks[0].Sequence != 2 {
		t.Errorf("resumes at %v", welcome.Acks)
	}
	if end := old.end(); end.Code() != codes.Aborted {
		t.Errorf("the old stream ended with %v", end)
	}
	renewed.batch(alerts("e", 3, 3))
	renewed.ack()
	other.batch(alerts("e", 1, 1))
	other.ack()
}

func TestAHoleIsTakenAndSaid(t *testing.T) {
	p := newPlant(t, nil, nil)
	s, _ := p.connect(p.dial(p.ca, "north", "s1"), "e")
	s.batch(alerts("e", 5, 6))
	if at := s.ack(); at != 6 {
		t.Errorf("acknowledged %d", at)
	}
	if !strings.Contains(p.log.String(), "records are missing") {
		t.Error("nothing in the log")
	}
}

func TestAFaultCostsOneStream(t *testing.T) {
	var mu sync.Mutex
	fault := func(store.Batch) error { return nil }
	p := newPlant(t, nil, func(b store.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if len(b.Alerts) == 0 {
			return nil
		}
		return fault(b)
	})
	conn := p.dial(p.ca, "north", "s1")
	for name, c := range map[string]struct {
		fault func(store.Batch) error
		code  codes.Code
		log   string
	}{
		"a full disk": {func(store.Batch) error { return fmt.Errorf("disk full") }, codes.Unavailable, "disk full"},
		"a panic":     {func(store.Batch) error { panic("a fault of ours") }, codes.Internal, "a fault of ours"},
	} {
		mu.Lock()
		fault = c.fault
		mu.Unlock()
		s, _ := p.connect(conn, "e")
		s.batch(alerts("e", 1, 1))
		if end := s.end(); end.Code() != c.code || strings.Contains(end.Message(), c.log) {
			t.Errorf("%s: %v", name, end)
		}
		if !strings.Contains(p.log.String(), c.log) {
			t.Errorf("%s is not in the log", name)
		}
	}
	mu.Lock()
	fault = func(store.Batch) error { return nil }
	mu.Unlock()
	s, _ := p.connect(conn, "e")
	s.batch(alerts("e", 1, 1))
	if at := s.ack(); at != 1 {
		t.Errorf("acknowledged %d", at)
	}
}

func TestHealthAndStop(t *testing.T) {
	p := newPlant(t, nil, nil)
	conn := p.dial(p.ca, "north", "s1")
	for _, service := range []string{"", "spanwatch.v1.UplinkService"} {
		answer, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil || answer.Status != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v %v", service, answer, err)
		}
	}
	s, _ := p.connect(conn, "e")
	p.stop()
	if end := s.end(); end.Code() != codes.Unavailable || !strings.Contains(end.Message(), "stopping") {
		t.Errorf("got %v", end)
	}
}
