package graph

import "slices"

// ReachOver gives what [Graph.Reach] gives, from records of edges: what stands in a state directory.
func ReachOver(edges []Edge, device string) []Reached {
	out := make(map[string][]*Edge)
	for k := range edges {
		if e := &edges[k]; e.Answered && e.Client != "" && e.Server != "" {
			out[e.Client] = append(out[e.Client], e)
		}
	}
	seen := map[string]bool{device: true}
	all := []Reached{}
	frontier := []string{device}
	for hops := 1; hops <= maxHops && len(frontier) > 0; hops++ {
		var next []string
		for _, from := range frontier {
			for _, r := range stepOver(out[from], hops) {
				if !seen[r.Device] {
					seen[r.Device] = true
					next = append(next, r.Device)
					all = append(all, r)
				}
			}
		}
		frontier = next
	}
	return ranked(all)
}

// stepOver gives whom one device asked, beyond the first hop only where it altered something.
func stepOver(edges []*Edge, hops int) []Reached {
	at := make(map[string]int)
	var all []Reached
	var over []hop // in step with all
	for _, e := range edges {
		k, known := at[e.Server]
		if !known {
			k = len(all)
			at[e.Server] = k
			all = append(all, Reached{Device: e.Server, IP: e.ServerIP, Hops: hops, Via: e.Client, ViaIP: e.ClientIP})
			over = append(over, hop{})
		}
		all[k].Alters += e.Alters()
		over[k].labels = append(over[k].labels, e.Protocol)
	}
	var reached []Reached
	for k := range all {
		r := &all[k]
		if hops > 1 && r.Alters == 0 {
			continue
		}
		r.Protocols = over[k].protocols()
		slices.Sort(r.Protocols)
		r.Protocols = slices.Compact(r.Protocols)
		r.Reason = r.reason()
		reached = append(reached, *r)
	}
	return reached
}
