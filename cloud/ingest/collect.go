package ingest

import (
	"fmt"
	"math"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spanwatch/spanwatch/cloud/store"
	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

const (
	// maxEpoch and maxVersion bound texts that a sensor chooses.
	maxEpoch   = 128
	maxVersion = 128
)

// collect gives what is new in a batch, up to the first record that is refused, and the refusal.
func (st *stream) collect(b *spanwatchv1.Batch) (store.Batch, error) {
	news := st.batch()
	at := st.position[b.Lane]
	news.Position = store.Position{Epoch: st.epoch, Lane: store.Lane(b.Lane), Sequence: at}
	var before uint64
	for _, r := range b.Records {
		if r.Sequence <= before || r.Sequence > math.MaxInt64 {
			return news, status.Errorf(codes.InvalidArgument, "record %d follows on record %d", r.Sequence, before)
		}
		before = r.Sequence
		if r.Sequence <= at {
			continue // it is stored already
		}
		if err := st.add(&news, r); err != nil {
			return news, err.status(b, r.Sequence)
		}
		if first := firstOf(r); first > at+1 {
			st.log.Warn("records are missing: they were acknowledged and are not stored; was the store restored from an older copy?",
				"lane", b.Lane, "first", at+1, "last", first-1)
		}
		at = r.Sequence
		news.Position.Sequence = at
	}
	return news, nil
}

// firstOf gives the first sequence number that a record stands for.
func firstOf(r *spanwatchv1.Record) uint64 {
	if g := r.GetGap(); g != nil {
		return g.FirstSequence
	}
	return r.Sequence
}

// invalid is why a record is refused.
type invalid struct {
	reason string
	// site is true when the record is good but of another site than the certificate's. The sensor is configured wrongly:
	// it must keep its records, so the refusal names none.
	site bool
}

func invalidf(format string, args ...any) *invalid {
	return &invalid{reason: fmt.Sprintf(format, args...)}
}

// status gives the error that ends the stream and tells the sensor which record it is.
func (i *invalid) status(b *spanwatchv1.Batch, sequence uint64) error {
	s := status.Newf(codes.InvalidArgument, "record %d of lane %d: %s", sequence, b.Lane, i.reason)
	if i.site {
		return s.Err()
	}
	detailed, err := s.WithDetails(&spanwatchv1.Refusal{Epoch: b.Epoch, Lane: b.Lane, Sequence: sequence, Reason: i.reason})
	if err != nil {
		return s.Err()
	}
	return detailed.Err()
}

// add converts a record into the batch.
func (st *stream) add(b *store.Batch, r *spanwatchv1.Record) *invalid {
	switch body := r.Body.(type) {
	case *spanwatchv1.Record_Device:
		d, err := device(body.Device)
		if err := firstInvalid(err, st.checkSite(d.Site)); err != nil {
			return err
		}
		b.Devices = append(b.Devices, d)
	case *spanwatchv1.Record_Edge:
		e, err := edge(body.Edge)
		if err != nil {
			return err
		}
		b.Edges = append(b.Edges, e)
	case *spanwatchv1.Record_Alert:
		a, err := alert(body.Alert)
		if err := firstInvalid(err, st.checkSite(a.Site)); err != nil {
			return err
		}
		a.Site, a.Sensor, a.Received = st.name.site, st.name.sensor, b.Received
		b.Alerts = append(b.Alerts, a)
	case *spanwatchv1.Record_Coverage:
		c, err := coverage(body.Coverage)
		if err != nil {
			return err
		}
		b.Coverage = append(b.Coverage, c)
	case *spanwatchv1.Record_Gap:
		g := body.Gap
		if g.FirstSequence == 0 || g.FirstSequence > g.LastSequence || g.LastSequence != r.Sequence ||
			g.Dropped > g.LastSequence-g.FirstSequence+1 {
			return invalidf("a gap from %d to %d of %d records", g.FirstSequence, g.LastSequence, g.Dropped)
		}
		b.Gaps = append(b.Gaps, store.Gap{FirstSequence: g.FirstSequence, LastSequence: g.LastSequence, Dropped: g.Dropped})
		st.log.Warn("the sensor lost records for want of room in its spool", "lane", b.Position.Lane, "records", g.Dropped)
	default:
		st.log.Warn("a record of a kind that this collector does not know was left out: update spanwatch-cloud", "sequence", r.Sequence)
	}
	return nil
}

// checkSite refuses a record that names another site than the certificate does.
func (st *stream) checkSite(site string) *invalid {
	if site == "" || site == st.name.site {
		return nil
	}
	return &invalid{site: true, reason: fmt.Sprintf("it is of site %q, and the sensor's certificate is for %q: "+
		"run the sensor with --site %s, or issue a certificate for the other site", site, st.name.site, st.name.site)}
}

func firstInvalid(all ...*invalid) *invalid {
	for _, i := range all {
		if i != nil {
			return i
		}
	}
	return nil
}

// bounded cuts a text that goes into logs and lists.
func bounded(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxVersion)], "")
}
