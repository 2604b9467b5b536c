package report

import (
	"cmp"
	"slices"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/state"
)

// siteMap is the picture of a site: devices as boxes, in bands by Purdue level and within these by zone, and the links
// between them. All numbers are of the picture's own units.
type siteMap struct {
	Width, Height, Inner int
	BoxWidth, BoxHeight  int
	Zoned                bool
	Left                 int // devices that are not drawn
	Bands                []band
	Zones                []zone
	Boxes                []box
	Links                []line

	at map[string]int // boxes by device id
}

type band struct {
	Y, Height, Text, Sub int
	Label, Name          string
}

type zone struct {
	X, Y, Width, Height, TextX, TextY int
	Name                              string
}

type box struct {
	X, Y, TextX, Line1, Line2, Line3 int
	Label, Sub, Address, Title       string
	Compromised                      bool
}

type line struct {
	X1, Y1, CX, CY, X2, Y2 int
	Alters                 bool
}

const (
	mapWidth  = 1040
	mapMargin = 130 // for the names of the levels
	boxWidth  = 118
	boxHeight = 48
	boxStepX  = boxWidth + 10
	boxStepY  = boxHeight + 26
	boxesRow  = (mapWidth - mapMargin - 14) / boxStepX

	// What is drawn is bounded: beyond that a picture says nothing any more.
	zoneRows = 4
	mapLinks = 400

	internetBox = "internet"
)

// newMap draws what a sensor knows; nil where there is nothing to draw.
func newMap(snap *state.Snapshot) *siteMap {
	s := newSite(snap)
	m := &siteMap{Width: mapWidth, Inner: mapWidth - 8, BoxWidth: boxWidth, BoxHeight: boxHeight, Zoned: s.zoned, at: make(map[string]int)}
	y := 4
	if s.online() {
		m.at[internetBox] = 0
		m.Boxes = append(m.Boxes, place(mapMargin, y+14, "Internet", "beyond the site", ""))
		y = m.band(y, y+14+boxStepY, "", "Outside")
	}
	for _, l := range levelNames {
		if devices := s.onLevel(l.purdue); len(devices) > 0 {
			label := ""
			if l.purdue != "" {
				label = "Level " + l.purdue
			}
			y = m.band(y, m.draw(y, devices), label, l.name)
		}
	}
	if len(m.Boxes) == 0 {
		return nil
	}
	m.Height = y
	m.connect(s)
	return m
}

// band closes a band that began at y, and tells where the next one begins.
func (m *siteMap) band(y, end int, label, name string) int {
	m.Bands = append(m.Bands, band{Y: y, Height: end - y, Text: y + 22, Sub: y + 38, Label: label, Name: name})
	return end + 6
}

// onLevel gives the devices of a level by zone, the most critical first. Units behind a gateway are not drawn.
func (s *site) onLevel(purdue string) []*inventory.Device {
	var all []*inventory.Device
	for _, d := range s.devices {
		known := slices.ContainsFunc(levelNames, func(l struct{ purdue, name string }) bool { return l.purdue == d.Purdue })
		if d.Parent == "" && (d.Purdue == purdue || !known && purdue == "") {
			all = append(all, d)
		}
	}
	rank := func(d *inventory.Device) int { return slices.Index([]string{"high", "medium", "low"}, d.Criticality) }
	slices.SortFunc(all, func(a, b *inventory.Device) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(uint(rank(a)), uint(rank(b))), compareAddresses(address(a), address(b)), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// draw places the devices of a level from y on, zone by zone, and tells where they end.
func (m *siteMap) draw(y int, devices []*inventory.Device) int {
	for len(devices) > 0 {
		n := 1
		for n < len(devices) && devices[n].Zone == devices[0].Zone {
			n++
		}
		y = m.drawZone(y, devices[:n])
		devices = devices[n:]
	}
	return y
}

func (m *siteMap) drawZone(y int, devices []*inventory.Device) int {
	in := devices[0].Zone
	top := y
	if in != "" {
		y += 12
	}
	if limit := zoneRows * boxesRow; len(devices) > limit {
		m.Left += len(devices) - limit
		devices = devices[:limit]
	}
	for i, d := range devices {
		m.at[d.ID] = len(m.Boxes)
		label := cmp.Or(name(d), address(d))
		b := place(mapMargin+i%boxesRow*boxStepX, y+14+i/boxesRow*boxStepY, label, d.Type, address(d))
		b.Compromised = d.Compromise.State == "confirmed" || d.Compromise.State == "suspected"
		m.Boxes = append(m.Boxes, b)
	}
	end := y + 14 + (len(devices)+boxesRow-1)/boxesRow*boxStepY
	if in != "" {
		m.Zones = append(m.Zones, zone{
			X: mapMargin - 8, Y: top + 6, Width: boxesRow*boxStepX + 6, Height: end - top - 12, TextX: mapMargin - 2, TextY: top + 18, Name: in,
		})
	}
	return end
}

func place(x, y int, label, sub, address string) box {
	return box{
		X: x, Y: y, TextX: x + 6, Line1: y + 14, Line2: y + 28, Line3: y + 42,
		Label: label, Sub: sub, Address: address, Title: label + ", " + sub + " " + address,
	}
}

// online reports whether any device is in contact with the Internet.
func (s *site) online() bool {
	return slices.ContainsFunc(s.snap.Edges, func(e graph.Edge) bool {
		return s.end(e.Client, e.ClientIP) == internetBox || s.end(e.Server, e.ServerIP) == internetBox
	})
}

// end gives the box at which a link begins or ends.
func (s *site) end(id, ip string) string {
	if id == "" && s.byAddress[ip] == nil && onInternet(ip) {
		return internetBox
	}
	return id
}

// connect draws a link for each two boxes that talk; those over which something was altered first, and on top.
func (m *siteMap) connect(s *site) {
	alters := make(map[[2]int]bool)
	for i := range s.snap.Edges {
		e := &s.snap.Edges[i]
		a, okA := m.at[s.end(e.Client, e.ClientIP)]
		b, okB := m.at[s.end(e.Server, e.ServerIP)]
		if !okA || !okB || a == b {
			continue
		}
		k := [2]int{min(a, b), max(a, b)}
		alters[k] = alters[k] || alteredOver(e)
	}
	pairs := make([][2]int, 0, len(alters))
	for k := range alters {
		pairs = append(pairs, k)
	}
	slices.SortFunc(pairs, func(a, b [2]int) int {
		if alters[a] != alters[b] {
			if alters[a] {
				return -1
			}
			return 1
		}
		return cmp.Or(a[0]-b[0], a[1]-b[1])
	})
	pairs = pairs[:min(len(pairs), mapLinks)]
	slices.Reverse(pairs)
	for _, k := range pairs {
		m.Links = append(m.Links, curve(m.Boxes[k[0]], m.Boxes[k[1]], alters[k]))
	}
}

func alteredOver(e *graph.Edge) bool {
	for action := range e.Actions {
		if commanding(action) {
			return true
		}
	}
	return false
}

// curve leads from the lower edge of the upper box to the upper edge of the lower one; between two in a row, below them.
func curve(a, b box, alters bool) line {
	half := boxWidth / 2
	l := line{X1: a.X + half, Y1: a.Y + boxHeight, X2: b.X + half, Y2: b.Y, Alters: alters}
	l.CX, l.CY = (l.X1+l.X2)/2, (l.Y1+l.Y2)/2
	if a.Y == b.Y {
		l.Y2, l.CY = b.Y+boxHeight, a.Y+boxHeight+24
	}
	return l
}
