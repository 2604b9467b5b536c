package graph

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteDOT writes edges in Graphviz's language: an arrow from client to server, bold where something was altered. Names
// gives the names of devices by id; a device without one shows its address alone.
func WriteDOT(w io.Writer, site string, edges []Edge, names map[string]string) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "digraph %s {\n\trankdir=LR;\n\tnode [shape=box];\n", quote(site))
	named := make(map[string]bool)
	node := func(id, ip string) string {
		label := ip
		if name := names[id]; name != "" {
			label = name + "\n" + ip
		}
		if id == "" {
			id = ip
		}
		if !named[id] {
			named[id] = true
			fmt.Fprintf(b, "\t%s [label=%s];\n", quote(id), quote(label))
		}
		return quote(id)
	}
	for _, e := range edges {
		from, to := node(e.Client, e.ClientIP), node(e.Server, e.ServerIP)
		style := ""
		if e.Alters() > 0 {
			style = ", style=bold, color=red"
		}
		fmt.Fprintf(b, "\t%s -> %s [label=%s%s];\n", from, to, quote(fmt.Sprintf("%s %d", e.Protocol, e.Port)), style)
	}
	fmt.Fprintln(b, "}")
	if err := b.Flush(); err != nil {
		return fmt.Errorf("graph: write dot: %w", err)
	}
	return nil
}

// quote makes a quoted identifier: only the quote itself, the backslash and the line break need escaping.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
