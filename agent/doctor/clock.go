package doctor

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// clock is what the kernel knows of its clock.
type clock struct {
	now          time.Time
	synchronised bool
	maxError     time.Duration
	failed       error
}

func readClock() clock {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return clock{
		now: time.Now().UTC(), failed: err,
		synchronised: err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0,
		maxError:     time.Duration(t.Maxerror) * time.Microsecond,
	}
}

// earliest is before any release of this program: a clock that says less has lost its time.
var earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (c clock) judge() []Finding {
	const advice = "synchronise it with NTP, such as with chrony or systemd-timesyncd: alerts of several sensors are put in order by time"
	says := c.now.Format(time.RFC3339)
	switch {
	case c.now.Before(earliest) || c.now.After(earliest.AddDate(50, 0, 0)):
		return []Finding{{"clock", Failed, "it says " + says, "set it: certificates and alerts depend on it; " + advice}}
	case c.failed != nil:
		return []Finding{{"clock", Warning, fmt.Sprintf("%s; the kernel does not tell whether it is synchronised (%v)", says, c.failed), advice}}
	case !c.synchronised:
		return []Finding{{"clock", Warning, says + ", synchronised with nothing", advice}}
	case c.maxError > time.Second:
		return []Finding{{"clock", Warning, fmt.Sprintf("%s, wrong by up to %s", says, c.maxError.Round(time.Millisecond)), advice}}
	}
	return []Finding{{"clock", OK, fmt.Sprintf("%s, synchronised, wrong by %s at most", says, c.maxError.Round(time.Millisecond)), ""}}
}
