package enip

import (
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// opening is a request to open a connection (Volume 1, 3-5.5.2).
type opening struct {
	asks, answers uint32 // connection numbers O->T and T->O; the one that the other side chooses is not yet known
	serial        uint16
	vendor        uint16
	originator    uint32
	multiplier    uint8
	asksInterval  uint32 // microseconds
	asksParams    uint32
	answersInt    uint32
	answersParams uint32
	transport     uint8 // class and trigger
	path          []byte
}

const svcLargeOpen = 0x5b

func readOpening(service uint8, data []byte) (o opening, ok bool) {
	c := wire.New(data)
	c.Skip(2) // priority and timeout
	o.asks, o.answers = c.LE32(), c.LE32()
	o.serial, o.vendor, o.originator = c.LE16(), c.LE16(), c.LE32()
	o.multiplier = c.U8()
	c.Skip(3)
	params := func() uint32 {
		if service == svcLargeOpen {
			return c.LE32()
		}
		return uint32(c.LE16())
	}
	o.asksInterval, o.asksParams = c.LE32(), params()
	o.answersInt, o.answersParams = c.LE32(), params()
	o.transport = c.U8()
	o.path = c.Bytes(2 * int(c.U8()))
	return o, !c.Failed()
}

// askOpen names the object that the connection leads to.
func askOpen(d *conversation, c *call) {
	o, ok := readOpening(c.service, c.data)
	if !ok {
		d.fail("%s with %d bytes of data", c.row.title(), len(c.data))
		return
	}
	d.connect(c, o.path)
}

// connect makes the end of a connection's path the object of the service.
func (d *conversation) connect(c *call, path []byte) {
	if t := d.paths.find(path); t.object.Name != "" {
		c.object = t.object
	}
}

// opened is the answer that a connection is open (Volume 1, 3-5.5.2).
type opened struct {
	asks, answers uint32
	serial        uint16
	vendor        uint16
	originator    uint32
	asksInterval  uint32
	answersInt    uint32
}

func readOpened(data []byte) (o opened, ok bool) {
	c := wire.New(data)
	o.asks, o.answers = c.LE32(), c.LE32()
	o.serial, o.vendor, o.originator = c.LE16(), c.LE16(), c.LE32()
	o.asksInterval, o.answersInt = c.LE32(), c.LE32()
	return o, !c.Failed()
}

// tellOpen learns which connection numbers belong together.
func tellOpen(d *conversation, c *call) {
	o, ok := readOpened(c.data)
	if !ok {
		d.fail("answer to %s with %d bytes of data", c.row.title(), len(c.data))
		return
	}
	d.pairs.put(o.asks, o.answers, true)
}

// closing is a request to close a connection (Volume 1, 3-5.5.3).
type closing struct {
	serial, vendor uint16
	originator     uint32
	path           []byte
}

func readClosing(data []byte) (o closing, ok bool) {
	c := wire.New(data)
	c.Skip(2) // priority and timeout
	o.serial, o.vendor, o.originator = c.LE16(), c.LE16(), c.LE32()
	words := int(c.U8())
	c.Skip(1)
	o.path = c.Bytes(2 * words)
	return o, !c.Failed()
}

// askClose names the object that the connection led to.
func askClose(d *conversation, c *call) {
	o, ok := readClosing(c.data)
	if !ok {
		d.fail("%s with %d bytes of data", c.row.title(), len(c.data))
		return
	}
	d.connect(c, o.path)
}
