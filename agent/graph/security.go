package graph

import (
	"cmp"
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

// Security is one way in which sessions of an edge were protected, as their messages say. An edge has one for each that
// was seen.
type Security struct {
	Mode   string `json:"mode"` // none, sign, sign-and-encrypt, tls
	Policy string `json:"policy,omitempty"`
	User   string `json:"user,omitempty"` // anonymous, username, certificate, issued
}

// maxSecurity bounds the ways kept of an edge; what comes later is not kept.
const maxSecurity = 8

// secured notes a way in which a session was protected.
func (d *done) secured(way Security) {
	if len(d.security) < maxSecurity && !slices.Contains(d.security, way) {
		d.security = append(d.security, way)
	}
}

// tellsSecurity reports whether an event says how its session is protected.
func tellsSecurity(ev *protocols.Event) bool {
	return ev.Security != nil && (ev.Security.Mode != "" || ev.Security.User != "")
}

// ways gives what was seen, sorted. What was seen before the user identified is left out where it is known who it was.
func (d *done) ways() []Security {
	var all []Security
	for _, w := range d.security {
		if w.User == "" && slices.ContainsFunc(d.security, func(o Security) bool { return o.User != "" && o.Mode == w.Mode && o.Policy == w.Policy }) {
			continue
		}
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b Security) int {
		return cmp.Or(cmp.Compare(a.Mode, b.Mode), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.User, b.User))
	})
	return all
}
