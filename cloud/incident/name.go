package incident

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spanwatch/spanwatch/cloud/store"
)

// plate is what a device is called in a sentence.
type plate struct {
	name string // "ENG-03"; the address where nothing better is known
	ip   string
	kind string // the device's type
}

type plates map[string]plate

// of gives the plate for a device's id or an address; an unknown one is its own name.
func (p plates) of(key string) plate {
	if n, ok := p[key]; ok {
		return n
	}
	return plate{name: key, ip: key}
}

var typeWords = map[string]string{
	"plc":                 "controller",
	"hmi":                 "operator panel",
	"engineering-station": "engineering station",
	"scada-server":        "SCADA server",
	"historian":           "historian",
	"gateway":             "gateway",
	"drive":               "drive",
	"io":                  "I/O station",
	"safety":              "safety controller",
	"network":             "network device",
	"workstation":         "workstation",
	"server":              "server",
	"camera":              "camera",
}

var pluralWords = map[string]string{
	"plc":                 "controllers",
	"hmi":                 "operator panels",
	"engineering-station": "engineering stations",
	"scada-server":        "SCADA servers",
	"gateway":             "gateways",
	"drive":               "drives",
	"io":                  "I/O stations",
	"safety":              "safety controllers",
	"network":             "network devices",
	"workstation":         "workstations",
	"server":              "servers",
	"camera":              "cameras",
}

// described gives "workstation ENG-03 (10.0.0.9)".
func (p plate) described() string {
	kind := cmp.Or(typeWords[p.kind], "device")
	if p.ip == "" || p.ip == p.name {
		return kind + " " + p.name
	}
	return fmt.Sprintf("%s %s (%s)", kind, p.name, p.ip)
}

// Name gives what a device is called on pages and in titles: its name, else its address, else its id.
func Name(d store.Device) string {
	for _, of := range [][]string{d.Names, d.IPs, d.MACs} {
		if len(of) > 0 {
			return of[0]
		}
	}
	return d.ID
}

func plateOf(d store.Device) plate {
	p := plate{name: Name(d), kind: d.Type}
	if len(d.IPs) > 0 {
		p.ip = d.IPs[0]
	}
	return p
}

// names finds out what the devices of alerts are called. The inventory knows best; an alert may arrive before the
// records of its devices and then speaks for itself.
func (e *Engine) names(ctx context.Context, s *site, alerts []store.Alert) (plates, error) {
	out := make(plates)
	for _, a := range alerts {
		for _, asset := range slices.Concat(a.Impacted, a.Reach) {
			key := cmp.Or(asset.Device, asset.IP)
			if _, known := out[key]; !known {
				out[key] = plate{name: cmp.Or(asset.Name, asset.IP, key), ip: asset.IP, kind: asset.Type}
			}
		}
		for _, end := range [2][2]string{{a.Actor, a.ActorIP}, {a.Target, a.TargetIP}} {
			key := cmp.Or(end[0], end[1])
			if _, known := out[key]; !known {
				out[key] = plate{name: cmp.Or(end[1], key), ip: end[1]}
			}
		}
	}
	for key := range out {
		if known, ok := s.plates[key]; ok {
			out[key] = known
			continue
		}
		d, err := e.store.Device(ctx, s.name, key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("device %s: %w", key, err)
		}
		p := plateOf(d)
		p.ip = cmp.Or(out[key].ip, p.ip)
		out[key], s.plates[key] = p, p
	}
	return out, nil
}

// enumerate gives "a, b and c"; beyond most it counts.
func enumerate(names []string, most int) string {
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// capital makes the first letter of a sentence a capital.
func capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}
