package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/cli"
)

var deviceList = cli.List[inventory.Device]{
	Empty: "no devices are known yet",
	Table: []cli.Column[inventory.Device]{
		cli.Field("ADDRESS", func(d *inventory.Device) string { return deviceAddress(d) }),
		cli.Long("NAME", func(d *inventory.Device) string { return cli.First(d.Names) }),
		cli.Long("TYPE", func(d *inventory.Device) string { return d.Type }),
		cli.Long("VENDOR", func(d *inventory.Device) string { return d.Vendor }),
		cli.Long("MODEL", func(d *inventory.Device) string { return d.Model }),
		cli.Wide("FIRMWARE", func(d *inventory.Device) string { return d.Firmware }),
		cli.Field("COMPROMISE", func(d *inventory.Device) string { return d.Compromise.State }),
	},
	Wide: []cli.Column[inventory.Device]{
		cli.Field("ID", func(d *inventory.Device) string { return d.ID }),
		cli.Field("SITE", func(d *inventory.Device) string { return d.Site }),
		cli.Field("PARENT", func(d *inventory.Device) string { return d.Parent }),
		cli.Field("IPS", func(d *inventory.Device) string { return strings.Join(d.IPs, " ") }),
		cli.Field("MACS", func(d *inventory.Device) string { return strings.Join(d.MACs, " ") }),
		cli.Field("NAMES", func(d *inventory.Device) string { return strings.Join(d.Names, " ") }),
		cli.Field("SERIAL", func(d *inventory.Device) string { return d.Serial }),
		cli.Field("CATEGORY", func(d *inventory.Device) string { return d.Category }),
		cli.Field("PURDUE", func(d *inventory.Device) string { return d.Purdue }),
		cli.Field("ZONE", func(d *inventory.Device) string { return d.Zone }),
		cli.Field("CRITICALITY", func(d *inventory.Device) string { return d.Criticality }),
		cli.Field("MODE", func(d *inventory.Device) string { return d.Mode }),
		cli.Field("OWNER", func(d *inventory.Device) string { return d.Owner }),
		cli.Field("PROTOCOLS", func(d *inventory.Device) string { return strings.Join(d.Protocols, " ") }),
		cli.Field("FIRST SEEN", func(d *inventory.Device) string { return cli.Stamp(d.FirstSeen) }),
		cli.Field("LAST SEEN", func(d *inventory.Device) string { return cli.Stamp(d.LastSeen) }),
	},
}

var edgeList = cli.List[graph.Edge]{
	Empty: "no conversations are known yet",
	Table: []cli.Column[graph.Edge]{
		cli.Field("CLIENT", func(e *graph.Edge) string { return e.ClientIP }),
		cli.Field("SERVER", func(e *graph.Edge) string { return e.ServerIP }),
		cli.Field("PROTOCOL", func(e *graph.Edge) string { return e.Protocol }),
		cli.Field("PORT", func(e *graph.Edge) string { return number(uint64(e.Port)) }),
		cli.Long("ACTIONS", func(e *graph.Edge) string { return counts(e.Actions) }),
		cli.Field("PACKETS", func(e *graph.Edge) string { return strconv.FormatUint(e.Packets, 10) }),
		cli.Field("BASELINE", func(e *graph.Edge) string { return e.Baseline }),
	},
	More: []cli.Column[graph.Edge]{
		cli.Field("CLIENT DEVICE", func(e *graph.Edge) string { return e.Client }),
		cli.Field("SERVER DEVICE", func(e *graph.Edge) string { return e.Server }),
		cli.Field("ID", func(e *graph.Edge) string { return e.ID }),
		cli.Field("CLIENT ZONE", func(e *graph.Edge) string { return e.ClientZone }),
		cli.Field("SERVER ZONE", func(e *graph.Edge) string { return e.ServerZone }),
		cli.Field("EVERY", func(e *graph.Edge) string { return pace(e) }),
		cli.Field("BYTES", func(e *graph.Edge) string { return strconv.FormatUint(e.Bytes, 10) }),
		cli.Field("BYTES OUT", func(e *graph.Edge) string { return strconv.FormatUint(e.BytesOut, 10) }),
		cli.Field("BYTES IN", func(e *graph.Edge) string { return strconv.FormatUint(e.BytesIn, 10) }),
		cli.Field("OBJECTS", func(e *graph.Edge) string { return strconv.FormatUint(e.Count, 10) }),
		cli.Field("FIRST SEEN", func(e *graph.Edge) string { return cli.Stamp(e.FirstSeen) }),
		cli.Field("LAST SEEN", func(e *graph.Edge) string { return cli.Stamp(e.LastSeen) }),
	},
}

var alertList = cli.List[detect.Alert]{
	Empty: "no alerts",
	Table: []cli.Column[detect.Alert]{
		cli.Field("TIME", func(a *detect.Alert) string { return a.Time.UTC().Format(time.DateTime) }),
		cli.Field("SEVERITY", func(a *detect.Alert) string { return a.Severity }),
		cli.Field("LEVEL", func(a *detect.Alert) string { return a.Level }),
		cli.Field("ACTOR", func(a *detect.Alert) string { return a.ActorIP }),
		cli.Field("TARGET", func(a *detect.Alert) string { return a.TargetIP }),
		cli.Wide("RULE", func(a *detect.Alert) string { return a.Rule }),
	},
	More: []cli.Column[detect.Alert]{
		cli.Field("ID", func(a *detect.Alert) string { return a.ID }),
		cli.Field("SITE", func(a *detect.Alert) string { return a.Site }),
		cli.Field("TITLE", func(a *detect.Alert) string { return a.Title }),
		cli.Field("LAST TIME", func(a *detect.Alert) string { return cli.Stamp(a.LastTime) }),
		cli.Field("PROTOCOL", func(a *detect.Alert) string { return a.Protocol }),
		cli.Field("TECHNIQUES", func(a *detect.Alert) string { return strings.Join(a.Techniques, " ") }),
		cli.Field("COUNT", func(a *detect.Alert) string { return strconv.FormatUint(a.Count, 10) }),
		cli.Field("DESCRIPTION", func(a *detect.Alert) string { return a.Description }),
	},
}

var signalList = cli.List[detect.Signal]{
	Empty: "no signals",
	Table: []cli.Column[detect.Signal]{
		cli.Field("TIME", func(s *detect.Signal) string { return s.Time.UTC().Format(time.DateTime) }),
		cli.Field("ACTOR", func(s *detect.Signal) string { return s.ActorIP }),
		cli.Field("TARGET", func(s *detect.Signal) string { return s.TargetIP }),
		cli.Field("COUNT", func(s *detect.Signal) string { return strconv.FormatUint(s.Count, 10) }),
		cli.Long("TITLE", func(s *detect.Signal) string { return s.Title }),
	},
	More: []cli.Column[detect.Signal]{
		cli.Field("ID", func(s *detect.Signal) string { return s.ID }),
		cli.Field("RULE", func(s *detect.Signal) string { return s.Rule }),
		cli.Field("LAST TIME", func(s *detect.Signal) string { return cli.Stamp(s.LastTime) }),
		cli.Field("WEIGHT", func(s *detect.Signal) string { return number(uint64(s.Weight)) }),
		cli.Field("TECHNIQUES", func(s *detect.Signal) string { return strings.Join(s.Techniques, " ") }),
		cli.Field("ACTOR DEVICE", func(s *detect.Signal) string { return s.Actor }),
		cli.Field("TARGET DEVICE", func(s *detect.Signal) string { return s.Target }),
	},
}

var coverageList = cli.List[graph.Coverage]{
	Empty: "no traffic was seen yet",
	Table: []cli.Column[graph.Coverage]{
		cli.Field("CLIENT", func(c *graph.Coverage) string { return total(c, c.ClientIP) }),
		cli.Field("SERVER", func(c *graph.Coverage) string { return c.ServerIP }),
		cli.Wide("PORT", func(c *graph.Coverage) string { return number(uint64(c.Port)) }),
		cli.Field("PROTOCOL", func(c *graph.Coverage) string { return c.Protocol }),
		cli.Field("BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.Bytes, 10) }),
		cli.Field("DECODED", func(c *graph.Coverage) string { return share(c.DecodedBytes, c) }),
		cli.Field("OPAQUE", func(c *graph.Coverage) string { return share(c.OpaqueBytes+c.RecognisedBytes, c) }),
		cli.Field("ENCRYPTED", func(c *graph.Coverage) string { return share(c.EncryptedBytes, c) }),
		cli.Field("LOST", func(c *graph.Coverage) string { return share(c.GapBytes, c) }),
	},
	More: []cli.Column[graph.Coverage]{
		cli.Field("PACKETS", func(c *graph.Coverage) string { return strconv.FormatUint(c.Packets, 10) }),
		cli.Field("DECODED BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.DecodedBytes, 10) }),
		cli.Field("RECOGNISED BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.RecognisedBytes, 10) }),
		cli.Field("OPAQUE BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.OpaqueBytes, 10) }),
		cli.Field("ENCRYPTED BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.EncryptedBytes, 10) }),
		cli.Field("MALFORMED", func(c *graph.Coverage) string { return strconv.FormatUint(c.Malformed, 10) }),
		cli.Field("GAP BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.GapBytes, 10) }),
		cli.Field("UNANSWERED", func(c *graph.Coverage) string { return strconv.FormatUint(c.Unanswered, 10) }),
		cli.Field("CONFLICTS", func(c *graph.Coverage) string { return strconv.FormatUint(c.Conflicts, 10) }),
	},
}

// pace is how often an edge asks for the same: "1.5s ±20ms"; empty where it keeps no pace.
func pace(e *graph.Edge) string {
	if !e.Periodic {
		return ""
	}
	seconds := func(s float64) string {
		return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
	}
	return seconds(e.Interval) + " ±" + seconds(e.Jitter)
}

// byAddress sorts devices as people look for them.
func byAddress(devices []inventory.Device) []inventory.Device {
	return slices.SortedStableFunc(slices.Values(devices), func(a, b inventory.Device) int {
		x, _ := netip.ParseAddr(cli.First(a.IPs)) // a device without an address goes first
		y, _ := netip.ParseAddr(cli.First(b.IPs))
		return cmp.Or(x.Compare(y), cmp.Compare(deviceAddress(&a), deviceAddress(&b)))
	})
}

// byEnds sorts edges by the addresses of client and server, and by port.
func byEnds(edges []graph.Edge) []graph.Edge {
	return slices.SortedStableFunc(slices.Values(edges), func(a, b graph.Edge) int {
		address := func(x, y string) int {
			p, _ := netip.ParseAddr(x) // what is no IP goes first
			q, _ := netip.ParseAddr(y)
			return cmp.Or(p.Compare(q), cmp.Compare(x, y))
		}
		return cmp.Or(address(a.ClientIP, b.ClientIP), address(a.ServerIP, b.ServerIP), cmp.Compare(a.Port, b.Port))
	})
}

// deviceAddress is the address under which people know a device.
func deviceAddress(d *inventory.Device) string {
	return cmp.Or(cli.First(d.IPs), cli.First(d.MACs), d.ID)
}

func total(c *graph.Coverage, otherwise string) string {
	if c.Total {
		return "total"
	}
	return otherwise
}

// share is a part of the payload in per cent; empty where there was none.
func share(part uint64, c *graph.Coverage) string {
	whole := c.DecodedBytes + c.RecognisedBytes + c.OpaqueBytes + c.EncryptedBytes + c.GapBytes
	if whole == 0 || part == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}

// counts gives "write 3, read 120", strongest first: what matters must not be what is cut.
func counts(actions map[string]uint64) string {
	names := slices.Collect(maps.Keys(actions))
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(slices.Index(actionList, b)-slices.Index(actionList, a), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = name + " " + strconv.FormatUint(actions[name], 10)
	}
	return strings.Join(names, ", ")
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
