package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/agent/admin"
	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/agent/uplink"
)

// directory is the state directory, or the place where it would be made.
type directory struct {
	path    string
	exists  bool
	file    bool  // it is no directory
	closed  error // why nothing can be written there
	owner   string
	open    os.FileMode // rights of others
	free    uint64      // bytes
	site    string      // empty: no state is there yet
	failed  error       // why the state cannot be read
	running *sensor.Health
	silent  error // why the sensor that runs there does not answer
}

func readDirectory(ctx context.Context, path string) directory {
	d := directory{path: path}
	at := path
	info, err := os.Stat(at)
	d.exists = err == nil
	for err != nil && at != filepath.Dir(at) {
		at = filepath.Dir(at)
		info, err = os.Stat(at)
	}
	if err != nil {
		d.closed = err
		return d
	}
	d.file = !info.IsDir()
	d.closed = unix.Access(at, unix.W_OK|unix.X_OK)
	d.open = info.Mode().Perm() & 0o077
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		d.owner = owner(s.Uid)
	}
	var fs unix.Statfs_t
	if unix.Statfs(at, &fs) == nil {
		d.free = fs.Bavail * uint64(fs.Bsize)
	}
	if !d.exists || d.file {
		return d
	}
	if _, err := os.Stat(filepath.Join(path, "state.db")); !errors.Is(err, os.ErrNotExist) {
		d.site, d.failed = site(path)
	}
	h, err := admin.Status(ctx, path)
	switch {
	case err == nil:
		d.running = &h
	case !errors.Is(err, admin.ErrNotRunning):
		d.silent = err
	}
	return d
}

func owner(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}

// site opens the state to read, which tells also whether this program understands it.
func site(path string) (string, error) {
	s, err := state.OpenRead(path)
	if err != nil {
		return "", err
	}
	name, err := s.Site()
	return name, errors.Join(err, s.Close())
}

const (
	littleSpace = 1 << 30
	noSpace     = 64 << 20
)

func (d directory) judge() []Finding {
	list := []Finding{d.judgePlace()}
	switch {
	case d.closed != nil || d.file:
	case d.free < noSpace:
		list = append(list, Finding{"state: space", Failed, fmt.Sprintf("%d MiB free", d.free>>20), "make room: the sensor cannot keep what it knows"})
	case d.free < littleSpace:
		list = append(list, Finding{"state: space", Warning, fmt.Sprintf("%d MiB free", d.free>>20), "make room: the spool alone may take 256 MiB while the collector is away"})
	default:
		list = append(list, Finding{"state: space", OK, fmt.Sprintf("%.1f GiB free", float64(d.free)/(1<<30)), ""})
	}
	switch {
	case d.failed != nil:
		list = append(list, Finding{"state: records", Failed, d.failed.Error(), "name another directory with --state, or use the program that wrote it"})
	case d.site != "":
		list = append(list, Finding{"state: records", OK, "of site " + d.site, ""})
	}
	return append(list, d.judgeSensor()...)
}

func (d directory) judgePlace() Finding {
	const check = "state: directory"
	switch {
	case d.file:
		return Finding{check, Failed, d.path + " is a file, or lies below one", "name a directory with --state"}
	case d.closed != nil && !d.exists:
		return Finding{check, Failed, fmt.Sprintf("%s is not there and cannot be made (%v)", d.path, d.closed), "make it, owned by the user that the sensor runs as, or name another with --state"}
	case d.closed != nil:
		return Finding{check, Failed, fmt.Sprintf("%s of %s cannot be written (%v)", d.path, d.owner, d.closed), "run as " + d.owner + ", or name another with --state"}
	case !d.exists:
		return Finding{check, OK, d.path + " is not there yet and can be made", ""}
	case d.open != 0:
		return Finding{check, Warning, fmt.Sprintf("%s of %s is open to others", d.path, d.owner), "what the sensor knows of the plant is nobody else's: chmod 700 " + d.path}
	}
	return Finding{check, OK, fmt.Sprintf("%s, of %s, can be written", d.path, d.owner), ""}
}

// judgeSensor says how the sensor is that runs there.
func (d directory) judgeSensor() []Finding {
	const check = "sensor"
	if d.silent != nil {
		return []Finding{{check, Warning, "one runs there and does not tell how it is: " + d.silent.Error(), "look at its log"}}
	}
	h := d.running
	if h == nil {
		return []Finding{{check, OK, "none runs on this state", ""}}
	}
	up := (time.Duration(h.Uptime) * time.Second).String()
	if d := h.Counters.Dropped; d.NIC+d.Ring+d.FlowMap > 0 {
		return []Finding{{check, Warning, fmt.Sprintf("runs since %s and lost frames: %d in network cards, %d in rings; %d were counted without their conversation", up, d.NIC, d.Ring, d.FlowMap),
			"give it more memory (limits: ring, flows) or processors (workers), or mirror less"}}
	}
	return []Finding{{check, OK, fmt.Sprintf("runs since %s, %d packets read, none lost", up, h.Counters.Packets), ""}}
}

// credentials is the sensor's identity.
type credentials struct {
	site, sensor string
	from, until  time.Time
	now          time.Time
	failed       error
}

func readIdentity(dir string) credentials {
	id, err := uplink.ReadIdentity(dir)
	c := credentials{site: id.Site, sensor: id.Sensor, now: time.Now(), failed: err}
	if err == nil {
		c.from, c.until = id.Valid()
	}
	return c
}

func (c credentials) judge() []Finding {
	if c.failed != nil {
		return []Finding{{"certificate", Failed, c.failed.Error(), ""}}
	}
	found := fmt.Sprintf("of sensor %s at site %s, valid %s to %s", c.sensor, c.site, c.from.UTC().Format(time.DateOnly), c.until.UTC().Format(time.DateOnly))
	// A tenth of its life, but a month at most, is left to renew it.
	if left := c.until.Sub(c.now); left < min(c.until.Sub(c.from)/10, 30*24*time.Hour) {
		return []Finding{{"certificate", Warning, found, "it ends soon: issue a new one with spanwatch-cloud certificate"}}
	}
	return []Finding{{"certificate", OK, found, ""}}
}

// hops goes the way to the collector.
func hops(ctx context.Context, collector, identity string) []Finding {
	var list []Finding
	for _, h := range uplink.Trace(ctx, collector, identity) {
		f := Finding{"collector: " + h.Name, OK, h.Found, ""}
		if h.Err != nil {
			f.Result, f.Found = Failed, h.Err.Error()
		}
		list = append(list, f)
	}
	return list
}
