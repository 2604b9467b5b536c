package opcua

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// maxDisclosed is how many facts a conversation remembers having told.
const maxDisclosed = 256

// hashSeed is the offset basis of FNV-1a with 64 bits.
const hashSeed = 14695981039346656037

// hash continues an FNV-1a over b.
func hash(h uint64, b []byte) uint64 {
	for _, x := range b {
		h = (h ^ uint64(x)) * 1099511628211
	}
	return h
}

// disclosed remembers what a conversation told already, so that a poll of the server's identity is a fact once. When
// it is full it starts anew: a fact told twice does no harm.
type disclosed map[uint64]struct{}

// add reports whether h is new.
func (s *disclosed) add(h uint64) bool {
	if _, told := (*s)[h]; told {
		return false
	}
	if len(*s) >= maxDisclosed {
		clear(*s)
	}
	if *s == nil {
		*s = make(disclosed)
	}
	(*s)[h] = struct{}{}
	return true
}

// subject is whom a fact is about: an end of the conversation, or an address.
type subject struct {
	side protocols.Side
	addr netip.Addr
}

// tell adds a fact to the message's, unless it was told before.
func (d *conversation) tell(about subject, key protocols.FactKey, v []byte, confidence uint8) {
	if len(v) == 0 {
		return
	}
	addr := about.addr.As16()
	if !d.disclosed.add(hash(hash(hash(hashSeed+uint64(about.side), addr[:]), []byte(key)), v)) {
		return
	}
	d.facts = append(d.facts, protocols.Fact{
		About: about.side, Addr: about.addr, Key: key, Value: text(v), Confidence: confidence,
	})
}

// buildFacts are the nodes of Part 5, 12.10 (BuildInfo) below the Server object, and what they tell.
var buildFacts = map[string]protocols.FactKey{
	"i=2261": protocols.FactModel,    // ProductName
	"i=2263": protocols.FactVendor,   // ManufacturerName
	"i=2264": protocols.FactFirmware, // SoftwareVersion
}

// serverNodes begins the names of the nodes that tell what the server is.
const serverNodes = "i=22"

const stateNode = "i=2259" // Server_ServerStatus_State

// The binary encodings of the structures that hold a BuildInfo.
const (
	buildInfoID    = 340
	serverStatusID = 864
)

// identity tells what a read node of the Server object says about the server.
func (d *conversation) identity(node string, v value) {
	if !strings.HasPrefix(node, serverNodes) {
		return
	}
	server := subject{side: protocols.Server}
	if node == stateNode && v.kind == typeInt32 && !v.array {
		c := wire.New(v.raw)
		d.state(c.LE32())
		return
	}
	if key, ok := buildFacts[node]; ok {
		d.tell(server, key, v.text(), 0)
		return
	}
	switch x := v.extension(); x.id() {
	case buildInfoID:
		d.buildInfo(x.body)
	case serverStatusID:
		c := wire.New(x.body)
		c.Skip(16) // start time, current time
		state := c.LE32()
		if !c.Failed() {
			d.state(state)
			d.buildInfo(c.Rest())
		}
	}
}

// serverStates are the names of ServerState (Part 5, 12.6) as modes of operation. They are the server's, which may run in
// a controller that is stopped: other protocols know better.
var serverStates = [...]string{"run", "failed", "no configuration", "suspended", "shutdown", "test", "communication fault"}

const stateConfidence = 50

// state tells the mode of the server. Unlike what it is, that may change back: it is told at each change.
func (d *conversation) state(n uint32) {
	if n >= uint32(len(serverStates)) || d.serverState == serverStates[n] {
		return
	}
	d.serverState = serverStates[n]
	d.facts = append(d.facts, protocols.Fact{
		About: protocols.Server, Key: protocols.FactMode, Value: d.serverState, Confidence: stateConfidence,
	})
}

// buildInfo reads a BuildInfo structure (Part 5, 12.4).
func (d *conversation) buildInfo(b []byte) {
	c := wire.New(b)
	octets(&c) // product URI
	manufacturer, product, version := octets(&c), octets(&c), octets(&c)
	if c.Failed() {
		return
	}
	server := subject{side: protocols.Server}
	d.tell(server, protocols.FactVendor, manufacturer, 0)
	d.tell(server, protocols.FactModel, product, 0)
	d.tell(server, protocols.FactFirmware, version, 0)
}

// host gives the host of a URL: "opc.tcp://plc1:4840/path" is at plc1.
func host(url []byte) []byte {
	_, rest, found := bytes.Cut(url, []byte("://"))
	if !found {
		return nil
	}
	if end := bytes.IndexByte(rest, '/'); end >= 0 {
		rest = rest[:end]
	}
	if len(rest) > 0 && rest[0] == '[' {
		inner, _, _ := bytes.Cut(rest[1:], []byte("]"))
		return inner
	}
	name, _, _ := bytes.Cut(rest, []byte(":"))
	return name
}

// hostName gives the host of a URL where it is a name of its own, and nil where it is an address or says "here".
func hostName(url []byte) []byte {
	name := host(url)
	if len(name) > 253 || strings.EqualFold(string(name), "localhost") {
		return nil
	}
	if _, err := netip.ParseAddr(string(name)); err == nil {
		return nil
	}
	return name
}

// maker guesses who made a product from the host in its URI. Product URIs are names, not links: it is a guess.
func maker(uri []byte) []byte {
	if !bytes.HasPrefix(uri, []byte("http")) {
		return nil
	}
	name := hostName(uri)
	if !bytes.ContainsRune(name, '.') {
		return nil
	}
	return bytes.TrimPrefix(name, []byte("www."))
}
