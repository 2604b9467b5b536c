package enip

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// identity is the identity object (Volume 1, 5-2.2), as ListIdentity and Get_Attributes_All give it.
type identity struct {
	vendor, device, product uint16
	major, minor            uint8
	status                  uint16
	serial                  uint32
	name                    []byte
}

// readIdentity reads the attributes 1 to 7 in their order.
func readIdentity(c *wire.Cursor) (id identity) {
	id.vendor, id.device, id.product = c.LE16(), c.LE16(), c.LE16()
	id.major, id.minor = c.U8(), c.U8()
	id.status, id.serial = c.LE16(), c.LE32()
	id.name = c.Bytes(int(c.U8()))
	return id
}

// nameplate collects what is known of a device, or of a module in its rack.
type nameplate struct {
	module string
	facts  []protocols.Fact
}

func (n *nameplate) add(key protocols.FactKey, value string, confidence uint8) {
	if value != "" {
		n.facts = append(n.facts, protocols.Fact{
			About: protocols.Server, Key: key, Value: value, Module: n.module, Confidence: confidence,
		})
	}
}

func (n *nameplate) vendor(code uint16) {
	if name, ok := vendors[code]; ok {
		n.add(protocols.FactVendor, name, 0)
	}
}

// role tells the kind of device. A controller in the rack makes the whole a controller.
func (n *nameplate) role(code uint16) {
	d, ok := deviceTypes[code]
	switch {
	case !ok || d.role == "":
	case n.module == "":
		n.add(protocols.FactRole, d.role, d.confidence)
	case d.role == "plc":
		n.facts = append(n.facts, protocols.Fact{About: protocols.Server, Key: protocols.FactRole, Value: d.role, Confidence: 80})
	}
}

func (n *nameplate) revision(major, minor uint8) {
	n.add(protocols.FactFirmware, fmt.Sprintf("%d.%03d", major&0x7f, minor), 0)
}

func (n *nameplate) serial(number uint32) {
	if number != 0 {
		n.add(protocols.FactSerial, fmt.Sprintf("%08X", number), 0)
	}
}

func (n *nameplate) all(id identity) {
	n.vendor(id.vendor)
	n.add(protocols.FactModel, printable(id.name), 0)
	n.revision(id.major, id.minor)
	n.serial(id.serial)
	n.role(id.device)
}

// identityItem is the item by which a device answers ListIdentity (Volume 2, 2-4.2).
type identityItem struct {
	version uint16
	socket  netip.AddrPort
	identity
	state uint8
}

func readIdentityItem(data []byte) (it identityItem, ok bool) {
	c := wire.New(data)
	it.version = c.LE16()
	it.socket = readSocket(c.Bytes(16))
	it.identity = readIdentity(&c)
	ok = !c.Failed()
	it.state = c.U8()
	return it, ok
}

// readSocket reads a socket address, which is big-endian (Volume 2, 2-6.3.3).
func readSocket(b []byte) netip.AddrPort {
	c := wire.New(b)
	c.Skip(2)
	port := c.U16()
	var a [4]byte
	copy(a[:], c.Bytes(4))
	if c.Failed() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(netip.AddrFrom4(a), port)
}

// identityFacts gives what the items of an answer to ListIdentity tell of the device that sends it.
func (p *packet) identityFacts() []protocols.Fact {
	for _, it := range p.items[:p.n] {
		if it.kind != itemIdentity {
			continue
		}
		if id, ok := readIdentityItem(it.data); ok {
			var n nameplate
			n.all(id.identity)
			return n.facts
		}
	}
	return nil
}

// plate starts the facts of what an answer is about: the device itself, or what the route of an Unconnected_Send leads to,
// which is a slot behind the backplane as a rule.
func (c *call) plate() nameplate {
	if c.via == nil {
		return nameplate{}
	}
	const backplane = "1/"
	if slot, ok := strings.CutPrefix(c.via.route, backplane); ok && c.via.hops == 1 {
		return nameplate{module: "0/" + slot}
	}
	return nameplate{module: c.via.route}
}

// isDevice reports whether the object is the one that stands for the device.
func (c *call) isDevice() bool { return c.target.has&hasInstance == 0 || c.target.instance == 1 }

// tellIdentity reads the answer to Get_Attributes_All.
func tellIdentity(d *conversation, c *call) {
	if !c.isDevice() {
		return
	}
	cur := wire.New(c.data)
	id := readIdentity(&cur)
	if cur.Failed() {
		d.fail("identity in %d bytes", len(c.data))
		return
	}
	n := c.plate()
	n.all(id)
	c.facts = n.facts
}

// tellAttribute reads the answer to Get_Attribute_Single.
func tellAttribute(_ *conversation, c *call) {
	if c.target.has&hasAttribute == 0 || !c.isDevice() {
		return
	}
	n := c.plate()
	cur := wire.New(c.data)
	n.attribute(&cur, c.target.attribute)
	if !cur.Failed() {
		c.facts = n.facts
	}
}

// tellAttributes reads the answer to Get_Attribute_List: a count, and of each attribute its number, a status and the value
// where the status allows one. The size of a value is the attribute's.
func tellAttributes(_ *conversation, c *call) {
	if !c.isDevice() {
		return
	}
	n := c.plate()
	cur := wire.New(c.data)
	for range cur.LE16() {
		number, status := cur.LE16(), cur.LE16()
		if status != 0 {
			continue
		}
		before := len(n.facts)
		known := n.attribute(&cur, uint32(number))
		if cur.Failed() || !known {
			if cur.Failed() {
				n.facts = n.facts[:before]
			}
			break
		}
	}
	c.facts = n.facts
}

// attribute reads the value of one attribute of the identity object; false where its size is not known.
func (n *nameplate) attribute(c *wire.Cursor, number uint32) bool {
	switch number {
	case 1:
		if v := c.LE16(); !c.Failed() {
			n.vendor(v)
		}
	case 2:
		if v := c.LE16(); !c.Failed() {
			n.role(v)
		}
	case 3, 5:
		c.Skip(2)
	case 4:
		major, minor := c.U8(), c.U8()
		if !c.Failed() {
			n.revision(major, minor)
		}
	case 6:
		n.serial(c.LE32())
	case 7:
		n.add(protocols.FactModel, printable(c.Bytes(int(c.U8()))), 0)
	case 8:
		c.Skip(1)
	default:
		return false
	}
	return true
}

// tellHost reads the host name of a device from its TCP/IP object (Volume 2, 5-4.3.6).
func tellHost(_ *conversation, c *call) {
	if c.target.has&hasAttribute == 0 || c.target.attribute != attributeHost || c.via != nil {
		return
	}
	cur := wire.New(c.data)
	name := cur.Bytes(int(cur.LE16()))
	if !cur.Failed() && len(name) > 0 {
		c.facts = []protocols.Fact{{About: protocols.Server, Key: protocols.FactName, Value: printable(name)}}
	}
}
