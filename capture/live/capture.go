package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spanwatch/spanwatch/bpf"
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
	halt    sync.Once
	once    sync.Once

	mu       sync.Mutex
	ifaces   []*iface
	counting counting
	closed   bool // nothing is taken up again

	// counted says of each interface whether the kernel counts its conversations; workers ask for every packet.
	counted []atomic.Bool
}

// iface is one interface and what is open of it.
type iface struct {
	name   string
	number int
	status Status
	index  int // as of the last look; 0: gone
	grant  *Grant
	rings  []*ring // one for each worker
	// retired are the rings of interfaces of this name that are gone, until everything in them was read.
	retired []*ring
	nic     NICCounters
	seen    NICCounters  // by interfaces of this name that are gone
	before  RingCounters // by rings that are closed
	failed  string       // why it could not be opened, as last said

	kernel       *bpf.Objects // what the kernel counts in; nil in plain mode, and while the interface is gone
	kernelBefore KernelCounters
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
	x := &Capture{config: c, done: make(chan struct{}), counted: make([]atomic.Bool, len(c.Interfaces))}
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
		Interface: f.name, Index: l.index, Sockets: c.Workers, Mode: c.Mode, TCP: c.TCP, UDP: c.UDP, Flows: c.Flows, First: c.First, Snap: c.Snap,
	})
	if err != nil {
		return fmt.Errorf("%w: interface %s", err, f.name)
	}
	kernel, err := tables(g)
	if err != nil {
		return errors.Join(fmt.Errorf("%w: interface %s", err, f.name), g.Close())
	}
	x.counted[f.number].Store(kernel != nil) // before the first frame
	rings, err := x.rings(g, l.index)
	if err != nil {
		x.counted[f.number].Store(false)
		if kernel != nil {
			err = errors.Join(err, kernel.Close())
		}
		return errors.Join(fmt.Errorf("%w: interface %s", err, f.name), g.Close())
	}
	for _, r := range rings {
		r.iface, r.mtu = uint16(f.number), l.mtu
	}
	f.grant, f.rings, f.kernel, f.index, f.failed = g, rings, kernel, l.index, ""
	f.nic = l.nic
	f.status.Present, f.status.Up, f.status.Since = true, l.up, time.Now().UTC()
	f.status.Mode, f.status.Reason, f.status.Offloads = g.Mode, g.Reason, g.Offloads
	for w, r := range rings {
		x.sources[w].add(r)
	}
	c.Log.Info("listening", "interface", f.name, "mode", g.Mode, "reason", g.Reason, "workers", c.Workers, "offloads_left", g.Offloads)
	return nil
}

// rings makes rings of the sockets of a grant and lets packets in. The sockets are the rings' then, also after an error.
func (x *Capture) rings(g *Grant, index int) (rings []*ring, err error) {
	sockets := g.Sockets
	g.Sockets = nil
	defer func() {
		if err != nil {
			for _, r := range rings {
				err = errors.Join(err, r.close())
			}
			for _, s := range sockets {
				err = errors.Join(err, s.Close())
			}
		}
	}()
	for len(sockets) > 0 {
		file := sockets[0]
		sockets = sockets[1:]
		r, err := newRing(file, index, &x.config)
		if err != nil {
			return rings, err
		}
		rings = append(rings, r)
	}
	if len(rings) > 1 {
		if err := share(rings, g.Spread); err != nil {
			return rings, err
		}
	}
	for _, r := range rings {
		if err := r.admit(g.Filter); err != nil {
			return rings, err
		}
	}
	return rings, nil
}

// shut takes an interface down and keeps what it had counted.
func (x *Capture) shut(f *iface) error {
	var err error
	for w, r := range f.rings {
		r.look()
		x.sources[w].retire(r)
	}
	f.retired = append(f.retired, f.rings...)
	if f.grant != nil {
		err = errors.Join(err, f.grant.Close())
	}
	err = errors.Join(err, x.lastCounts(f))
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
		x.mu.Lock()
		if err := x.lookAll(); err != nil {
			x.config.Log.Warn("interfaces cannot be looked after", "error", err)
		}
		x.mu.Unlock()
	}
}

// lookAll compares every interface with what the kernel says of it now.
func (x *Capture) lookAll() error {
	known, err := links()
	if err != nil {
		return err
	}
	for _, f := range x.ifaces {
		x.look(f, known)
	}
	return nil
}

// look compares an interface with what the kernel says of it now.
func (x *Capture) look(f *iface, known map[string]link) {
	log := x.config.Log.With("interface", f.name)
	l, there := known[f.name]
	if f.index != 0 && (!there || l.index != f.index) {
		if renamed := byIndex(known, f.index); renamed != "" {
			if f.status.Renamed != renamed {
				log.Warn("the interface was renamed; its traffic is still read", "now", renamed)
				f.status.Renamed = renamed
			}
			l, there = known[renamed], true
		} else {
			log.Warn("the interface is gone; waiting for it")
			f.seen = f.seen.plus(f.status.NIC)
			if err := x.shut(f); err != nil {
				log.Warn("the interface was not closed cleanly", "error", err)
			}
			f.status.Present, f.status.Up, f.status.Since = false, false, time.Now().UTC()
			f.status.NIC, f.status.Renamed = NICCounters{}, ""
		}
	} else {
		f.status.Renamed = ""
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
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.closed {
		_ = x.lookAll() // without an answer the last counters stand
	}
	all := make([]Status, len(x.ifaces))
	for i, f := range x.ifaces {
		s := f.status
		s.NIC = s.NIC.plus(f.seen)
		s.Ring = f.ringCounters()
		s.Kernel = f.kernelCounters()
		all[i] = s
	}
	return all
}

// ringCounters adds up all rings there ever were.
func (f *iface) ringCounters() RingCounters {
	f.retired = slices.DeleteFunc(f.retired, func(r *ring) bool {
		if !r.buried.Load() {
			return false
		}
		f.before = f.before.plus(r.counters())
		return true
	})
	sum := f.before
	for _, list := range [][]*ring{f.rings, f.retired} {
		for _, r := range list {
			sum = sum.plus(r.counters())
		}
	}
	return sum
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

// Stop lets nothing more in. Sources give what has come until then, and after it io.EOF; [Capture.Counts] gives all that
// the kernel counted. Calling it again does nothing.
func (x *Capture) Stop() (err error) {
	x.halt.Do(func() {
		x.cancel()
		<-x.done
		x.mu.Lock()
		defer x.mu.Unlock()
		x.closed = true
		for _, f := range x.ifaces {
			for _, r := range f.rings {
				err = errors.Join(err, r.refuse())
			}
			err = errors.Join(err, x.shut(f))
		}
		for _, s := range x.sources {
			s.finish()
		}
	})
	return err
}

// Close ends the capture. Sources give io.EOF; frames that they gave before are not valid any more. Calling it again does
// nothing.
func (x *Capture) Close() (err error) {
	x.once.Do(func() { err = errors.Join(x.Stop(), x.release()) })
	return err
}

func (x *Capture) release() error {
	var err error
	for _, s := range x.sources {
		err = errors.Join(err, s.Close())
	}
	x.mu.Lock()
	x.closed = true
	for _, f := range x.ifaces {
		err = errors.Join(err, x.shut(f))
	}
	x.mu.Unlock()
	for _, s := range x.sources {
		err = errors.Join(err, s.release())
	}
	return err
}
