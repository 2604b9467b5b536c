package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture"
)

// watchEvery is how often interfaces are looked after.
const watchEvery = 500 * time.Millisecond

// Capture listens to interfaces.
type Capture struct {
	config  Config
	sources []*source
	cancel  context.CancelFunc
	done    chan struct{}
	once    sync.Once

	mu     sync.Mutex
	ifaces []*iface
}

// iface is one interface and what is open of it.
type iface struct {
	name   string
	number int
	status Status
	index  int // as of the last look; 0: gone
	grant  *Grant
	rings  []*ring // one for each worker
	nic    NICCounters
	seen   NICCounters // by interfaces of this name that are gone
	before RingCounters
	failed string // why it could not be opened, as last said
}

// Open listens to interfaces. An interface that is not there yet is waited for, unless none is; one that may not be opened
// is an error.
func Open(ctx context.Context, c Config) (*Capture, error) {
	c.defaults()
	if len(c.Interfaces) == 0 {
		return nil, errors.New("capture: no interface named: give one with --interface")
	}
	known, err := links()
	if err != nil {
		return nil, err
	}
	x := &Capture{config: c, done: make(chan struct{})}
	for w := range c.Workers {
		s, err := newSource(w, c.Workers, len(c.Interfaces))
		if err != nil {
			return nil, fmt.Errorf("capture: %w", err)
		}
		x.sources = append(x.sources, s)
	}
	present := false
	for i, name := range c.Interfaces {
		f := &iface{name: name, number: i, status: Status{Interface: name, Promiscuous: c.Promiscuous, Since: time.Now().UTC()}}
		x.ifaces = append(x.ifaces, f)
		l, ok := known[name]
		if !ok {
			continue
		}
		present = true
		if err := x.open(f, l); err != nil {
			return nil, errors.Join(err, x.release())
		}
	}
	if !present {
		return nil, errors.Join(fmt.Errorf("capture: there is no interface %s: see the names with 'ip link'", c.Interfaces[0]), x.release())
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	x.cancel = cancel
	go x.watch(watching)
	return x, nil
}

// Sources gives one source for each worker; frames carry the index of their interface.
func (x *Capture) Sources() []capture.Source {
	all := make([]capture.Source, len(x.sources))
	for i, s := range x.sources {
		all[i] = s
	}
	return all
}

// open takes an interface up.
func (x *Capture) open(f *iface, l link) error {
	c := &x.config
	g, err := c.Opener.Open(Request{
		Interface: f.name, Index: l.index, Sockets: c.Workers, Mode: c.Mode, TCP: c.TCP, UDP: c.UDP, Flows: c.Flows, First: c.First,
	})
	if err != nil {
		return fmt.Errorf("%w: interface %s", err, f.name)
	}
	filter := -1
	if g.Filter != nil {
		filter = int(g.Filter.Fd())
	}
	group := uint16(os.Getpid()*31 + f.number)
	rings := make([]*ring, 0, len(g.Sockets))
	for _, file := range g.Sockets {
		r, err := newRing(file, l.index, group, c, filter)
		if err != nil {
			for _, r := range rings {
				err = errors.Join(err, r.close())
			}
			g.Sockets = nil // closed with their rings, but for those after the failure, which the process's end closes
			return errors.Join(fmt.Errorf("%w: interface %s", err, f.name), g.Close())
		}
		r.iface, r.mtu = uint16(f.number), l.mtu
		rings = append(rings, r)
	}
	g.Sockets = nil
	f.grant, f.rings, f.index, f.failed = g, rings, l.index, ""
	f.nic = l.nic
	f.status.Present, f.status.Up, f.status.Since = true, l.up, time.Now().UTC()
	f.status.Mode, f.status.Reason, f.status.Offloads = g.Mode, g.Reason, g.Offloads
	for w, r := range rings {
		x.sources[w].set(f.number, r)
	}
	c.Log.Info("listening", "interface", f.name, "mode", g.Mode, "reason", g.Reason, "workers", c.Workers, "offloads_left", g.Offloads)
	return nil
}

// shut takes an interface down and keeps what it had counted.
func (x *Capture) shut(f *iface) error {
	var err error
	for w, r := range f.rings {
		x.sources[w].set(f.number, nil)
		r.look()
		f.before = f.before.plus(r.counters())
		err = errors.Join(err, r.close())
	}
	if f.grant != nil {
		err = errors.Join(err, f.grant.Close())
	}
	f.rings, f.grant, f.index = nil, nil, 0
	return err
}

// watch looks after the interfaces: what goes down, vanishes or comes back.
func (x *Capture) watch(ctx context.Context) {
	defer close(x.done)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		known, err := links()
		if err != nil {
			x.config.Log.Warn("interfaces cannot be looked after", "error", err)
			continue
		}
		x.mu.Lock()
		for _, f := range x.ifaces {
			x.look(f, known)
		}
		x.mu.Unlock()
	}
}

// look compares an interface with what the kernel says of it now.
func (x *Capture) look(f *iface, known map[string]link) {
	log := x.config.Log.With("interface", f.name)
	l, there := known[f.name]
	if f.index != 0 && (!there || l.index != f.index) {
		if renamed := byIndex(known, f.index); renamed != "" {
			if f.failed != renamed {
				log.Warn("the interface was renamed; its traffic is still read", "now", renamed)
				f.failed = renamed
			}
			l, there = known[renamed], true
		} else {
			log.Warn("the interface is gone; waiting for it")
			f.seen = f.seen.plus(f.status.NIC)
			if err := x.shut(f); err != nil {
				log.Warn("the interface was not closed cleanly", "error", err)
			}
			f.status.Present, f.status.Up, f.status.NIC, f.status.Since = false, false, NICCounters{}, time.Now().UTC()
		}
	}
	switch {
	case !there:
		return
	case f.index == 0:
		if err := x.open(f, l); err != nil {
			if err.Error() != f.failed {
				log.Warn("the interface is back and cannot be opened", "error", err)
			}
			f.failed = err.Error()
			return
		}
	case l.up != f.status.Up:
		f.status.Up, f.status.Since = l.up, time.Now().UTC()
		log.Warn("the interface's link changed", "up", l.up)
	}
	f.status.NIC = l.nic.since(f.nic)
	for _, r := range f.rings {
		r.look()
	}
}

func byIndex(known map[string]link, index int) string {
	for name, l := range known {
		if l.index == index {
			return name
		}
	}
	return ""
}

// Status gives the state of every interface.
func (x *Capture) Status() []Status {
	known, _ := links() // without an answer the last counters stand
	x.mu.Lock()
	defer x.mu.Unlock()
	all := make([]Status, len(x.ifaces))
	for i, f := range x.ifaces {
		if known != nil {
			x.look(f, known)
		}
		s := f.status
		s.NIC = s.NIC.plus(f.seen)
		s.Ring = f.before
		for _, r := range f.rings {
			s.Ring = s.Ring.plus(r.counters())
		}
		all[i] = s
	}
	return all
}

func (r *ring) counters() RingCounters {
	return RingCounters{
		Received: r.received.Load(), Dropped: r.dropped.Load(), Freezes: r.freezes.Load(),
		Truncated: r.truncated.Load(), Merged: r.merged.Load(),
	}
}

func (c RingCounters) plus(o RingCounters) RingCounters {
	return RingCounters{
		Received: c.Received + o.Received, Dropped: c.Dropped + o.Dropped, Freezes: c.Freezes + o.Freezes,
		Truncated: c.Truncated + o.Truncated, Merged: c.Merged + o.Merged,
	}
}

// Close ends the capture. Sources give io.EOF; frames that they gave before are not valid any more. Calling it again does
// nothing.
func (x *Capture) Close() (err error) {
	x.once.Do(func() {
		x.cancel()
		<-x.done
		err = x.release()
	})
	return err
}

func (x *Capture) release() error {
	var err error
	for _, s := range x.sources {
		err = errors.Join(err, s.Close())
	}
	x.mu.Lock()
	for _, f := range x.ifaces {
		err = errors.Join(err, x.shut(f))
	}
	x.mu.Unlock()
	for _, s := range x.sources {
		err = errors.Join(err, unix.Close(s.wake))
	}
	return err
}
