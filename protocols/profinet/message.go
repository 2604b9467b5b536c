package profinet

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// The frame ids of DCP.
const (
	frameHello = 0xfefc
	frameLast  = 0xfeff
)

// The services and their types.
const (
	serviceGet      = 3
	serviceSet      = 4
	serviceIdentify = 5
	serviceHello    = 6

	typeRequest     = 0
	typeSuccess     = 1
	typeUnsupported = 5
)

var services = map[uint8]string{
	serviceGet: "DCP-Get", serviceSet: "DCP-Set", serviceIdentify: "DCP-Identify", serviceHello: "DCP-Hello",
}

// block names a pair of option and suboption.
type block struct{ option, suboption uint8 }

var (
	blockIP        = block{1, 2}
	blockSuite     = block{1, 3}
	blockType      = block{2, 1} // device vendor value: what the vendor calls the type of station
	blockName      = block{2, 2}
	blockID        = block{2, 3}
	blockRole      = block{2, 4}
	blockOEM       = block{2, 8}
	blockResponse  = block{5, 4}
	blockFactory   = block{5, 5}
	blockReset     = block{5, 6}
	blockStart     = block{5, 1}
	blockEnd       = block{5, 2}
	blockSignal    = block{5, 3}
	blockOptions   = block{2, 5}
	blockMAC       = block{1, 1}
	blockAlias     = block{2, 6}
	blockInstance  = block{2, 7}
	blockInitiate  = block{6, 1}
	blockAllFilter = block{255, 255}
)

var blockNames = map[block]string{
	blockMAC: "MAC address", blockIP: "IP parameter", blockSuite: "Full IP suite", blockType: "DeviceVendor",
	blockName: "NameOfStation", blockID: "DeviceID", blockRole: "DeviceRole", blockOptions: "DeviceOptions",
	blockAlias: "AliasName", blockInstance: "DeviceInstance", blockOEM: "OEM Device ID", blockStart: "Start transaction",
	blockEnd: "End transaction", blockSignal: "Signal", blockResponse: "Response", blockFactory: "Factory reset",
	blockReset: "Reset to factory", blockInitiate: "DeviceInitiative", blockAllFilter: "All",
}

func (b block) String() string {
	if s := blockNames[b]; s != "" {
		return s
	}
	return fmt.Sprintf("Option %d.%d", b.option, b.suboption)
}

// message is one DCP frame. Its texts are copies.
type message struct {
	service, kind      uint8
	frame              uint16
	xid                uint32
	blocks             []block // in the order of the frame
	name, station      string
	vendorID, deviceID uint16
	hasID              bool
	role               uint8
	ip                 network
	answers            []answer // to Set
}

// answer says how the setting of a block ended; 0 is well.
type answer struct {
	block block
	err   uint8
}

// network is an IP parameter.
type network struct {
	address, mask, gateway netip.Addr
}

const maxBlocks = 32

// parse reads a DCP frame behind its EtherType. What was read before a fault stays in m.
func (m *message) parse(b []byte) error {
	c := wire.New(b)
	m.frame, m.service, m.kind, m.xid = c.U16(), c.U8(), c.U8(), c.U32()
	c.Skip(2) // delay of the answer, or reserved
	body := wire.New(c.Bytes(int(c.U16())))
	if c.Failed() {
		return malformed("%d bytes", len(b))
	}
	for body.Len() > 0 {
		id := block{body.U8(), body.U8()}
		if m.service == serviceGet && m.kind == typeRequest {
			m.note(id) // a list of what is wanted
			continue
		}
		value := body.Bytes(int(body.U16()))
		if len(value)%2 == 1 && body.Len() > 0 {
			body.Skip(1)
		}
		if body.Failed() {
			return malformed("block %v reaches over the end", id)
		}
		m.note(id)
		if !m.take(id, value) {
			return malformed("%d bytes in block %v", len(value), id)
		}
	}
	if body.Failed() {
		return malformed("half a block")
	}
	return nil
}

func (m *message) note(id block) {
	if len(m.blocks) < maxBlocks {
		m.blocks = append(m.blocks, id)
	}
}

// take reads the value of a block; false when it is too short. Blocks of answers begin with a word of information,
// those of Set with a qualifier.
func (m *message) take(id block, value []byte) bool {
	c := wire.New(value)
	if id != blockResponse && (m.kind == typeSuccess || m.service == serviceSet || m.service == serviceHello) {
		c.Skip(2)
	}
	switch id {
	case blockIP, blockSuite:
		m.ip = network{ipv4(c.Bytes(4)), ipv4(c.Bytes(4)), ipv4(c.Bytes(4))}
	case blockName:
		m.name = text(c.Rest())
	case blockType:
		m.station = text(c.Rest())
	case blockID:
		m.vendorID, m.deviceID, m.hasID = c.U16(), c.U16(), true
	case blockRole:
		m.role = c.U8()
	case blockResponse:
		a := answer{block{c.U8(), c.U8()}, c.U8()}
		if !c.Failed() && len(m.answers) < maxBlocks {
			m.answers = append(m.answers, a)
		}
	}
	return !c.Failed()
}

func ipv4(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

func text(b []byte) string { return strings.TrimSpace(strings.TrimRight(string(b), "\x00")) }

func malformed(format string, args ...any) error {
	return fmt.Errorf("profinet: %w: %s", protocols.ErrMalformed, fmt.Sprintf(format, args...))
}

// title gives the name of the message's protocol data unit.
func (m *message) title() string {
	s := services[m.service]
	switch {
	case s == "":
		return fmt.Sprintf("DCP service %d", m.service)
	case m.kind == typeRequest:
		return s + "-ReqPDU"
	default:
		return s + "-ResPDU"
	}
}
