package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
)

var deviceColumns = []column[inventory.Device]{
	{"ADDRESS", func(d *inventory.Device) string { return deviceAddress(d) }},
	{"NAME", func(d *inventory.Device) string { return first(d.Names) }},
	{"TYPE", func(d *inventory.Device) string { return d.Type }},
	{"VENDOR", func(d *inventory.Device) string { return d.Vendor }},
	{"MODEL", func(d *inventory.Device) string { return d.Model }},
	{"FIRMWARE", func(d *inventory.Device) string { return d.Firmware }},
	{"COMPROMISE", func(d *inventory.Device) string { return d.Compromise.State }},
}

var deviceDetails = []column[inventory.Device]{
	{"ID", func(d *inventory.Device) string { return d.ID }},
	{"SITE", func(d *inventory.Device) string { return d.Site }},
	{"PARENT", func(d *inventory.Device) string { return d.Parent }},
	{"IPS", func(d *inventory.Device) string { return strings.Join(d.IPs, " ") }},
	{"MACS", func(d *inventory.Device) string { return strings.Join(d.MACs, " ") }},
	{"NAMES", func(d *inventory.Device) string { return strings.Join(d.Names, " ") }},
	{"SERIAL", func(d *inventory.Device) string { return d.Serial }},
	{"CATEGORY", func(d *inventory.Device) string { return d.Category }},
	{"PURDUE", func(d *inventory.Device) string { return d.Purdue }},
	{"ZONE", func(d *inventory.Device) string { return d.Zone }},
	{"CRITICALITY", func(d *inventory.Device) string { return d.Criticality }},
	{"PROTOCOLS", func(d *inventory.Device) string { return strings.Join(d.Protocols, " ") }},
	{"FIRST SEEN", func(d *inventory.Device) string { return stamp(d.FirstSeen) }},
	{"LAST SEEN", func(d *inventory.Device) string { return stamp(d.LastSeen) }},
}

var edgeColumns = []column[graph.Edge]{
	{"CLIENT", func(e *graph.Edge) string { return e.ClientIP }},
	{"SERVER", func(e *graph.Edge) string { return e.ServerIP }},
	{"PROTOCOL", func(e *graph.Edge) string { return e.Protocol }},
	{"PORT", func(e *graph.Edge) string { return number(uint64(e.Port)) }},
	{"ACTIONS", func(e *graph.Edge) string { return counts(e.Actions) }},
	{"PACKETS", func(e *graph.Edge) string { return strconv.FormatUint(e.Packets, 10) }},
	{"BASELINE", func(e *graph.Edge) string { return e.Baseline }},
}

var edgeDetails = []column[graph.Edge]{
	{"CLIENT DEVICE", func(e *graph.Edge) string { return e.Client }},
	{"SERVER DEVICE", func(e *graph.Edge) string { return e.Server }},
	{"BYTES", func(e *graph.Edge) string { return strconv.FormatUint(e.Bytes, 10) }},
	{"OBJECTS", func(e *graph.Edge) string { return strconv.FormatUint(e.Count, 10) }},
	{"FIRST SEEN", func(e *graph.Edge) string { return stamp(e.FirstSeen) }},
	{"LAST SEEN", func(e *graph.Edge) string { return stamp(e.LastSeen) }},
}

var alertColumns = []column[detect.Alert]{
	{"TIME", func(a *detect.Alert) string { return a.Time.UTC().Format(time.DateTime) }},
	{"SEVERITY", func(a *detect.Alert) string { return a.Severity }},
	{"LEVEL", func(a *detect.Alert) string { return a.Level }},
	{"ACTOR", func(a *detect.Alert) string { return a.ActorIP }},
	{"TARGET", func(a *detect.Alert) string { return a.TargetIP }},
	{"RULE", func(a *detect.Alert) string { return a.Rule }},
}

var alertDetails = []column[detect.Alert]{
	{"ID", func(a *detect.Alert) string { return a.ID }},
	{"SITE", func(a *detect.Alert) string { return a.Site }},
	{"TITLE", func(a *detect.Alert) string { return a.Title }},
	{"LAST TIME", func(a *detect.Alert) string { return stamp(a.LastTime) }},
	{"PROTOCOL", func(a *detect.Alert) string { return a.Protocol }},
	{"TECHNIQUES", func(a *detect.Alert) string { return strings.Join(a.Techniques, " ") }},
	{"COUNT", func(a *detect.Alert) string { return strconv.FormatUint(a.Count, 10) }},
	{"DESCRIPTION", func(a *detect.Alert) string { return a.Description }},
}

var coverageColumns = []column[graph.Coverage]{
	{"CLIENT", func(c *graph.Coverage) string { return total(c, c.ClientIP) }},
	{"SERVER", func(c *graph.Coverage) string { return c.ServerIP }},
	{"PORT", func(c *graph.Coverage) string { return number(uint64(c.Port)) }},
	{"PROTOCOL", func(c *graph.Coverage) string { return c.Protocol }},
	{"BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.Bytes, 10) }},
	{"DECODED", func(c *graph.Coverage) string { return share(c.DecodedBytes, c) }},
	{"OPAQUE", func(c *graph.Coverage) string { return share(c.OpaqueBytes+c.RecognisedBytes, c) }},
	{"ENCRYPTED", func(c *graph.Coverage) string { return share(c.EncryptedBytes, c) }},
	{"LOST", func(c *graph.Coverage) string { return share(c.GapBytes, c) }},
}

var coverageDetails = []column[graph.Coverage]{
	{"PACKETS", func(c *graph.Coverage) string { return strconv.FormatUint(c.Packets, 10) }},
	{"DECODED BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.DecodedBytes, 10) }},
	{"RECOGNISED BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.RecognisedBytes, 10) }},
	{"OPAQUE BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.OpaqueBytes, 10) }},
	{"ENCRYPTED BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.EncryptedBytes, 10) }},
	{"MALFORMED", func(c *graph.Coverage) string { return strconv.FormatUint(c.Malformed, 10) }},
	{"GAP BYTES", func(c *graph.Coverage) string { return strconv.FormatUint(c.GapBytes, 10) }},
}

// deviceAddress is the address under which people know a device.
func deviceAddress(d *inventory.Device) string {
	return cmp.Or(first(d.IPs), first(d.MACs), d.ID)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
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

// counts gives "read 120, write 3", most frequent first.
func counts(actions map[string]uint64) string {
	names := make([]string, 0, len(actions))
	for name := range actions {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(actions[b], actions[a]), cmp.Compare(a, b))
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

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// printable keeps what a device said about itself from moving the cursor of the terminal it is shown on.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// columnName turns a heading into the name under which scripts find the column.
func columnName(heading string) string {
	return strings.ReplaceAll(strings.ToLower(heading), " ", "_")
}
