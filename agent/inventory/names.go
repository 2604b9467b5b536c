package inventory

import (
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// names gives what a device is called, the best first. A domain name calls it by its first label, unless that is known
// already; the domain names themselves come last, for who searches for one.
func (c collected) names() []string {
	var called, domains collected
	for _, f := range c {
		switch {
		case f.module != "":
		case f.key == protocols.FactName:
			called = append(called, f)
		case f.key == protocols.FactFQDN:
			domains = append(domains, f)
			f.key, f.value = protocols.FactName, label(f.value)
			called = append(called, f)
		}
	}
	names := []string{}
	for _, list := range []collected{called, domains} {
		keys := []protocols.FactKey{protocols.FactName, protocols.FactFQDN}
		order := make([]int, len(list))
		for k := range order {
			order[k] = k
		}
		slices.SortFunc(order, func(a, b int) int { return compareBool(list.better(b, a, keys), list.better(a, b, keys)) })
		for _, k := range order {
			// Some protocols shout: NetBIOS knows capitals only.
			if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, list[k].value) }) {
				names = append(names, list[k].value)
			}
		}
	}
	return names
}

// label gives the first label of a domain name.
func label(domain string) string {
	first, _, _ := strings.Cut(domain, ".")
	return first
}
