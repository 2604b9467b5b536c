package graph

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"time"
)

// The attributes of nodes and edges in GraphML, in the order in which they are written.
var (
	nodeAttributes = []attribute{{"name", "string"}, {"address", "string"}, {"zone", "string"}, {"critical", "boolean"}}
	edgeAttributes = []attribute{
		{"protocol", "string"}, {"port", "int"}, {"altering", "long"}, {"packets", "long"}, {"bytes_out", "long"}, {"bytes_in", "long"},
		{"interval_seconds", "double"}, {"periodic", "boolean"}, {"baseline", "string"}, {"first_seen", "string"}, {"last_seen", "string"},
	}
)

type attribute struct{ name, kind string }

type markup struct {
	XMLName xml.Name    `xml:"http://graphml.graphdrawing.org/xmlns graphml"`
	Keys    []markupKey `xml:"key"`
	Graph   struct {
		ID    string       `xml:"id,attr"`
		Edges string       `xml:"edgedefault,attr"`
		Node  []markupNode `xml:"node"`
		Edge  []markupEdge `xml:"edge"`
	} `xml:"graph"`
}

type markupKey struct {
	ID   string `xml:"id,attr"`
	For  string `xml:"for,attr"`
	Name string `xml:"attr.name,attr"`
	Type string `xml:"attr.type,attr"`
}

type markupNode struct {
	ID   string       `xml:"id,attr"`
	Data []markupData `xml:"data"`
}

type markupEdge struct {
	ID     string       `xml:"id,attr"`
	Source string       `xml:"source,attr"`
	Target string       `xml:"target,attr"`
	Data   []markupData `xml:"data"`
}

type markupData struct {
	Key  string `xml:"key,attr"`
	Text string `xml:",chardata"`
}

// WriteGraphML writes edges in GraphML (graphml.graphdrawing.org), with what is at their ends; devices without edges are
// not in it.
func WriteGraphML(w io.Writer, site string, edges []Edge, assets []Asset) error {
	var m markup
	m.Graph.ID, m.Graph.Edges = site, "directed"
	for _, of := range []struct {
		what       string
		attributes []attribute
	}{{"node", nodeAttributes}, {"edge", edgeAttributes}} {
		for _, a := range of.attributes {
			m.Keys = append(m.Keys, markupKey{of.what[:1] + "_" + a.name, of.what, a.name, a.kind})
		}
	}
	known := make(map[string]*Asset, len(assets))
	for k := range assets {
		known[assets[k].ID] = &assets[k]
	}
	written := make(map[string]bool)
	node := func(id, ip, zone string) string {
		key, a := cmp.Or(id, ip), Asset{IP: ip, Zone: zone}
		if x := known[id]; x != nil {
			a = *x
		}
		if !written[key] {
			written[key] = true
			m.Graph.Node = append(m.Graph.Node, markupNode{key, data("n_", nodeAttributes, a.Name, a.IP, a.Zone, strconv.FormatBool(a.Critical))})
		}
		return key
	}
	for k := range edges {
		e := &edges[k]
		m.Graph.Edge = append(m.Graph.Edge, markupEdge{
			e.ID, node(e.Client, e.ClientIP, e.ClientZone), node(e.Server, e.ServerIP, e.ServerZone),
			data("e_", edgeAttributes, e.Protocol, strconv.Itoa(int(e.Port)), decimal(e.Alters()), decimal(e.Packets), decimal(e.BytesOut),
				decimal(e.BytesIn), strconv.FormatFloat(e.Interval, 'g', -1, 64), strconv.FormatBool(e.Periodic), e.Baseline,
				e.FirstSeen.Format(time.RFC3339Nano), e.LastSeen.Format(time.RFC3339Nano)),
		})
	}
	body, err := xml.MarshalIndent(&m, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, body)
	}
	if err != nil {
		return fmt.Errorf("graph: write GraphML: %w", err)
	}
	return nil
}

func data(prefix string, attributes []attribute, values ...string) []markupData {
	all := make([]markupData, 0, len(values))
	for k, v := range values {
		if v != "" {
			all = append(all, markupData{prefix + attributes[k].name, v})
		}
	}
	return all
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
