package enip

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Encapsulation commands (Volume 2, 2-3.2).
const (
	cmdNOP            = 0x0000
	cmdListServices   = 0x0004
	cmdListIdentity   = 0x0063
	cmdListInterfaces = 0x0064
	cmdRegister       = 0x0065
	cmdUnregister     = 0x0066
	cmdSendRRData     = 0x006f
	cmdSendUnitData   = 0x0070
	cmdIndicateStatus = 0x0072
	cmdCancel         = 0x0073
	cmdStartDTLS      = 0x00c8 // Volume 8

	lastCommand = 0x00ff // the commands above are reserved for future expansion
)

// command is what an encapsulation command is called and does.
type command struct {
	name     string
	action   protocols.Action
	min, max int  // length of the data that a probe accepts
	answered bool // a request expects an answer
	packet   bool // the data are interface handle, timeout and items
	list     bool // the answer is a list of items
}

var commands = [lastCommand + 1]*command{
	cmdNOP:            {name: "NOP", action: protocols.ActionConnect, max: 504},
	cmdListServices:   {name: "ListServices", action: protocols.ActionBrowse, max: 504, answered: true, list: true},
	cmdListIdentity:   {name: "ListIdentity", action: protocols.ActionIdentify, max: 504, answered: true, list: true},
	cmdListInterfaces: {name: "ListInterfaces", action: protocols.ActionBrowse, max: 504, answered: true, list: true},
	cmdRegister:       {name: "RegisterSession", action: protocols.ActionConnect, min: 4, max: 4, answered: true},
	cmdUnregister:     {name: "UnRegisterSession", action: protocols.ActionConnect},
	cmdSendRRData:     {name: "SendRRData", min: 16, max: maxData, answered: true, packet: true},
	cmdSendUnitData:   {name: "SendUnitData", min: 16, max: maxData, packet: true},
	cmdIndicateStatus: {name: "IndicateStatus", action: protocols.ActionConnect, max: maxData},
	cmdCancel:         {name: "Cancel", action: protocols.ActionConnect, max: maxData},
	cmdStartDTLS:      {name: "StartDTLS", action: protocols.ActionConnect, max: maxData, answered: true},
}

// vague reports whether a message of the command has too little to be told by, and no need: others come before it.
func (c *command) vague() bool { return c.max == maxData && !c.packet }

// commandOf gives the row of a command; nil where the table does not know it.
func commandOf(code uint16) *command {
	if int(code) < len(commands) {
		return commands[code]
	}
	return nil
}

// encapsulationStatus names the status codes of the header (Volume 2, 2-3.6).
var encapsulationStatus = map[uint32]string{
	0x0000: "success",
	0x0001: "invalid or unsupported command",
	0x0002: "insufficient memory",
	0x0003: "incorrect data",
	0x0064: "invalid session handle",
	0x0065: "invalid length",
	0x0069: "unsupported protocol revision",
	0x006a: "encapsulated CIP service not allowed on this port",
}

const (
	headerLen = 24
	maxData   = 65511 // the largest length that the header may tell
)

// header is the encapsulation header (Volume 2, 2-3.1).
type header struct {
	command         uint16
	length          int
	session, status uint32
	context         uint64 // as it stands on the wire, big-endian
	options         uint32
}

// readHeader reads the header of a message that has at least headerLen bytes.
func readHeader(b []byte) header {
	le := binary.LittleEndian
	return header{
		command: le.Uint16(b), length: int(le.Uint16(b[2:])), session: le.Uint32(b[4:]), status: le.Uint32(b[8:]),
		context: binary.BigEndian.Uint64(b[12:]), options: le.Uint32(b[20:]),
	}
}

// Item types of the common packet format (Volume 2, 2-6.2).
const (
	itemNull             = 0x0000
	itemIdentity         = 0x000c
	itemSecurity         = 0x0086
	itemConnectedAddress = 0x00a1
	itemConnectedData    = 0x00b1
	itemUnconnectedData  = 0x00b2
	itemServices         = 0x0100
	itemSocketOT         = 0x8000
	itemSocketTO         = 0x8001
	itemSequencedAddress = 0x8002
)

// itemNames names the item types for the detail.
var itemNames = map[uint16]string{
	itemNull: "null address", itemIdentity: "identity", itemSecurity: "security", 0x0087: "capability", 0x0088: "usage",
	itemConnectedAddress: "connected address", itemConnectedData: "connected data", itemUnconnectedData: "unconnected data",
	itemServices: "services", itemSocketOT: "socket address o_t", itemSocketTO: "socket address t_o",
	itemSequencedAddress: "sequenced address", 0x8003: "unconnected message",
}

// maxItems is how many items of a message are read. A message to a CIP object has two, with socket addresses four; the
// answer to ListIdentity has one an interface.
const maxItems = 8

// item is one item of the common packet format.
type item struct {
	kind uint16
	data []byte
}

// packet is the common packet format as far as it is there.
type packet struct {
	items      [maxItems]item
	n          int    // of the items; those behind are an older message's
	connection uint32 // of the address item
	number     uint32 // of the sequenced address item
	sequence   uint16 // in front of connected data
	connected  bool   // data belong to a connection
	data       []byte // the CIP message; nil where there is none
}

// reset makes the packet ready for the next message. The items stay until they are overwritten.
func (p *packet) reset() {
	p.n, p.connection, p.number, p.sequence, p.connected, p.data = 0, 0, 0, 0, false, nil
}

// readItems reads the items of the common packet format.
func (p *packet) readItems(c *wire.Cursor) {
	for range c.LE16() {
		kind := c.LE16()
		data := c.Bytes(int(c.LE16()))
		if c.Failed() {
			return
		}
		if p.n < maxItems {
			p.items[p.n] = item{kind, data}
			p.n++
		}
		switch kind {
		case itemConnectedAddress:
			a := wire.New(data)
			p.connection = a.LE32()
		case itemSequencedAddress:
			a := wire.New(data)
			p.connection, p.number = a.LE32(), a.LE32()
		case itemConnectedData:
			a := wire.New(data)
			p.sequence, p.connected = a.LE16(), true
			p.data = a.Rest()
			if a.Failed() {
				c.Fail()
			}
		case itemUnconnectedData:
			p.data = data
		}
	}
}
