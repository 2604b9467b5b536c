package main

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/cli"
	"github.com/spanwatch/spanwatch/protocols"
)

// oneOf refuses a value that is none of those that are known, and names these.
func oneOf(flag, value string, known []string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	if len(known) == 0 {
		return cli.Usagef("--%s %q: there is none here", flag, value)
	}
	return cli.Usagef("--%s %q: choose one of %s", flag, value, strings.Join(known, ", "))
}

// names gives the names of what is numbered from 0, but for empty ones.
func names(name func(int) string, n int) (all []string) {
	for i := range n {
		if s := name(i); s != "" {
			all = append(all, s)
		}
	}
	return all
}

var (
	levels     = []string{"contact", "read", "engineering-read", "write", "control", "effect"}
	severities = []string{"informational", "low", "medium", "high"}
	actionList = names(func(i int) string { return protocols.Action(i + 1).String() }, int(protocols.ActionControl))
)

// since is the value of a flag: a time, or how long before the last packet.
type since struct {
	at     time.Time
	before time.Duration
}

// String implements pflag.Value; nothing is the default.
func (s *since) String() string { return "" }

// Type implements pflag.Value.
func (s *since) Type() string { return "time" }

// Set implements pflag.Value.
func (s *since) Set(text string) error {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			s.at = at
			return nil
		}
	}
	number, days := strings.CutSuffix(text, "d")
	if n, err := strconv.ParseUint(number, 10, 16); days && err == nil {
		s.before = time.Duration(n) * 24 * time.Hour
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return cli.Usagef("choose a time like 2026-01-02T15:04:05Z or 2026-01-02 (UTC), or how long ago like 90m, 12h or 7d")
	}
	s.before = d
	return nil
}

func (s *since) flag(f *pflag.FlagSet, what string) {
	f.Var(s, "since", "only "+what+" since then: a time (UTC), or 90m, 12h, 7d before the last packet")
}

// from gives the moment that is meant. How long ago counts from the last packet, which is the clock of what is known.
func (s *since) from(snap *state.Snapshot) time.Time {
	if s.before == 0 {
		return s.at
	}
	var last time.Time
	for i := range snap.Devices {
		if at := snap.Devices[i].LastSeen; at.After(last) {
			last = at
		}
	}
	return last.Add(-s.before)
}

// who finds devices by what people know of them: an address, a network, an id, or a part of the name.
type who struct {
	text    string
	network netip.Prefix
	ids     map[string]bool // of the devices that are meant
}

func newWho(text string, snap *state.Snapshot) *who {
	w := &who{text: text, ids: make(map[string]bool)}
	if text == "" {
		return w
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		w.network = p.Masked()
	} else if a, err := netip.ParseAddr(text); err == nil {
		w.network = netip.PrefixFrom(a, a.BitLen())
	}
	for i := range snap.Devices {
		d := &snap.Devices[i]
		if d.ID == text || slices.Contains(d.MACs, strings.ToLower(text)) || slices.ContainsFunc(d.IPs, w.contains) || !w.network.IsValid() && named(d, text) {
			w.ids[d.ID] = true
		}
	}
	return w
}

func (w *who) contains(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && w.network.IsValid() && w.network.Contains(a.Unmap())
}

// is reports whether one end of a record is meant: everybody is where nobody was named.
func (w *who) is(id, ip string) bool {
	return w.text == "" || w.ids[id] || w.contains(ip) || ip == w.text
}

// named reports whether a device has a name with the text in it.
func named(d *inventory.Device, text string) bool {
	return slices.ContainsFunc(d.Names, func(n string) bool { return contains(n, text) })
}

func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// network checks the value of a flag that wants an address or a network.
func network(flag, value string) error {
	if value == "" {
		return nil
	}
	if _, err := netip.ParsePrefix(value); err == nil {
		return nil
	}
	if _, err := netip.ParseAddr(value); err == nil {
		return nil
	}
	return cli.Usagef("--%s %q is neither an address nor a network such as 10.20.0.0/16", flag, value)
}

// labels are the protocols that may be asked for: those that the program knows, the transports, and those that were seen.
func labels(snap *state.Snapshot) []string {
	all := slices.Clone(sensor.Protocols())
	for t := protocols.TransportOther; t <= protocols.TransportEthernet; t++ {
		all = append(all, t.String())
	}
	for i := range snap.Edges {
		all = append(all, snap.Edges[i].Protocol)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// zones are those in which devices are.
func zones(snap *state.Snapshot) (all []string) {
	for i := range snap.Devices {
		if z := snap.Devices[i].Zone; z != "" {
			all = append(all, z)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// graverLevel and graverSeverity report whether something is as grave as was asked for.
func graverLevel(level, least string) bool {
	return least == "" || detect.LevelRank(level) >= detect.LevelRank(least)
}

func graverSeverity(severity, least string) bool {
	return least == "" || detect.SeverityRank(severity) >= detect.SeverityRank(least)
}

// firstError gives the first of several.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
