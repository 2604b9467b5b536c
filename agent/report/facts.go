package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// Disclosure is what a device said of its own protection.
type Disclosure struct {
	Device Party  `json:"device"`
	What   string `json:"what"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// Conflict is a fact about a device for which there are several values.
type Conflict struct {
	Device Party    `json:"device"`
	Key    string   `json:"key"`
	Module string   `json:"module"`
	Values []string `json:"values"` // with source and time of each
	// Changed: each value ended before the next began, so that the device changed rather than contradicted itself.
	Changed bool `json:"changed"`
}

// Duplicate is an address of several devices, or a device of several adapters.
type Duplicate struct {
	Address string  `json:"address"`
	Devices []Party `json:"devices"`
	Reason  string  `json:"reason"`
}

// mode is the operating mode that a device told last.
func mode(d *inventory.Device) string {
	if d.Mode != "" {
		return d.Mode
	}
	var latest *inventory.Fact
	for i := range d.Facts {
		f := &d.Facts[i]
		if f.Key == protocols.FactMode && f.Module == "" && (latest == nil || f.LastSeen.After(latest.LastSeen)) {
			latest = f
		}
	}
	if latest == nil {
		return ""
	}
	return latest.Value
}

// guarding are the facts about how a device is protected.
var guarding = map[protocols.FactKey]string{
	protocols.FactProtection: "protection", protocols.FactUser: "user", protocols.FactCertificate: "certificate",
}

func (s *site) protection() []Disclosure {
	all := []Disclosure{}
	for i := range s.snap.Devices {
		d := &s.snap.Devices[i]
		for _, f := range d.Facts {
			if what := guarding[f.Key]; what != "" && ofPlant(d) {
				all = append(all, Disclosure{Device: s.party(d.ID, ""), What: what, Value: f.Value, Source: f.Source})
			}
		}
	}
	slices.SortFunc(all, func(a, b Disclosure) int {
		return cmp.Or(-cmp.Compare(a.What, b.What), a.Device.compare(b.Device), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Source, b.Source))
	})
	return slices.CompactFunc(all, func(a, b Disclosure) bool { return a.Device == b.Device && a.What == b.What && a.Value == b.Value })
}

// identifying are the facts of which a device has one value at a time.
var identifying = []protocols.FactKey{
	protocols.FactVendor, protocols.FactModel, protocols.FactOrderNumber, protocols.FactFirmware, protocols.FactHardware,
	protocols.FactSerial,
}

// certain is how sure the sensor must be of a value before it can contradict another one.
const certain = 80

func (s *site) conflicts() []Conflict {
	all := []Conflict{}
	for i := range s.snap.Devices {
		d := &s.snap.Devices[i]
		ordered := make(map[string]bool) // order numbers stand in for models, and contradict no name
		for _, f := range d.Facts {
			if f.Key == protocols.FactOrderNumber {
				ordered[f.Value] = true
			}
		}
		type place struct {
			key    protocols.FactKey
			module string
		}
		values := make(map[place][]inventory.Fact)
		for _, f := range d.Facts {
			if slices.Contains(identifying, f.Key) && f.Confidence >= certain && (f.Key != protocols.FactModel || !ordered[f.Value]) {
				values[place{f.Key, f.Module}] = append(values[place{f.Key, f.Module}], f)
			}
		}
		for p, facts := range values {
			told := slices.ContainsFunc(d.Changes, func(c inventory.Change) bool { return c.Key == p.key && c.Module == p.module })
			if c, ok := contradiction(facts); ok && !(c.Changed && told) { // what changed stands among the changes
				c.Device, c.Key, c.Module = s.party(d.ID, ""), string(p.key), p.module
				all = append(all, c)
			}
		}
	}
	slices.SortFunc(all, func(a, b Conflict) int {
		return cmp.Or(a.Device.compare(b.Device), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Module, b.Module))
	})
	return all
}

// contradiction tells whether facts about one thing give several values. Values of which one contains the other say the
// same in more words, and so do those that one message tells together: an order code and a product's name.
func contradiction(facts []inventory.Fact) (Conflict, bool) {
	type value struct {
		text, source string
		first, last  time.Time
	}
	var values []value
	slices.SortFunc(facts, func(a, b inventory.Fact) int {
		return cmp.Or(-cmp.Compare(len(a.Value), len(b.Value)), cmp.Compare(a.Value, b.Value), a.FirstSeen.Compare(b.FirstSeen), cmp.Compare(a.Source, b.Source))
	})
	for _, f := range facts {
		at := slices.IndexFunc(values, func(v value) bool {
			together := v.source == f.Source && v.first.Equal(f.FirstSeen) && v.last.Equal(f.LastSeen)
			return together || strings.Contains(plain(v.text), plain(f.Value))
		})
		if at < 0 {
			values = append(values, value{f.Value, f.Source, f.FirstSeen, f.LastSeen})
			continue
		}
		v := &values[at]
		if f.FirstSeen.Before(v.first) {
			v.first = f.FirstSeen
		}
		if f.LastSeen.After(v.last) {
			v.last = f.LastSeen
		}
	}
	if len(values) < 2 {
		return Conflict{}, false
	}
	slices.SortFunc(values, func(a, b value) int { return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.text, b.text)) })
	c := Conflict{Changed: true}
	for i, v := range values {
		if i > 0 && !values[i-1].last.Before(v.first) {
			c.Changed = false
		}
		c.Values = append(c.Values, fmt.Sprintf("%s (%s, from %s to %s)", v.text, v.source, stamp(v.first), stamp(v.last)))
	}
	return c, true
}

// plain leaves of a text what tells values apart.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, text)
}

func (s *site) duplicates() []Duplicate {
	owners := make(map[string][]Party)
	all := []Duplicate{}
	for i := range s.snap.Devices {
		d := &s.snap.Devices[i]
		p := s.party(d.ID, "")
		for _, a := range slices.Concat(d.IPs, d.MACs) {
			owners[a] = append(owners[a], p)
		}
		if len(d.MACs) > 1 && len(d.IPs) == 1 {
			all = append(all, Duplicate{d.IPs[0], []Party{p}, "one address, seen behind " + joined(d.MACs)})
		}
	}
	for a, parties := range owners {
		if len(parties) > 1 {
			slices.SortFunc(parties, Party.compare)
			all = append(all, Duplicate{a, parties, fmt.Sprintf("used by %d devices", len(parties))})
		}
	}
	slices.SortFunc(all, func(a, b Duplicate) int {
		return cmp.Or(compareAddresses(a.Address, b.Address), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}
