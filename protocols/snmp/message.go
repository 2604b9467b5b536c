package snmp

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/nameplate"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// The versions as they stand in a message.
const (
	version1 = 0
	version2 = 1
	version3 = 3
)

// pdu is what a protocol data unit means (RFC 3416 §3, RFC 1157 §4.1).
type pdu struct {
	name   string
	client bool // sent by the manager, or by whoever tells of an event
	action protocols.Action
}

// The tags of PDUs.
const (
	tagGet      = 0xa0
	tagNext     = 0xa1
	tagResponse = 0xa2
	tagSet      = 0xa3
	tagTrap     = 0xa4
	tagBulk     = 0xa5
	tagNotify   = 0xa7
	tagReport   = 0xa8
)

var pdus = map[uint8]pdu{
	tagGet:      {"GetRequest", true, protocols.ActionRead},
	tagNext:     {"GetNextRequest", true, protocols.ActionBrowse},
	tagResponse: {"Response", false, protocols.ActionRead},
	tagSet:      {"SetRequest", true, protocols.ActionConfigure},
	tagTrap:     {"Trap", true, protocols.ActionAlarm},
	tagBulk:     {"GetBulkRequest", true, protocols.ActionBrowse},
	0xa6:        {"InformRequest", true, protocols.ActionAlarm},
	tagNotify:   {"SNMPv2-Trap", true, protocols.ActionAlarm},
	tagReport:   {"Report", false, protocols.ActionConnect},
}

// message is one message. Everything but numbers borrows it.
type message struct {
	version     int64
	community   []byte
	user        []byte
	encrypted   bool
	tag         uint8
	request     int64
	errorStatus int64
	errorIndex  int64
	enterprise  oid // of a Trap
	variables   []variable
}

type variable struct {
	name  oid
	tag   uint8
	value []byte
}

const maxVariables = 64

// parse reads a message. What was read before a fault stays in m; m.tag is 0 when there was no PDU.
func (m *message) parse(b []byte) error {
	c := wire.New(b)
	body := expect(&c, tagSequence)
	m.version = integer(&body)
	if c.Failed() || body.Failed() || c.Len() > 0 {
		return malformed("%d bytes are no message", len(b))
	}
	switch m.version {
	case version1, version2:
		community := expect(&body, tagOctets)
		m.community = community.Rest()
		m.unit(&body)
	case version3:
		m.scoped(&body)
	default:
		return malformed("version %d", m.version)
	}
	if body.Failed() {
		return malformed("PDU %#x of version %d", m.tag, m.version)
	}
	return nil
}

// scoped reads a message of version 3 (RFC 3412 §6): header, security parameters, and the PDU with its scope.
func (m *message) scoped(c *wire.Cursor) {
	const flagPrivacy = 0x02
	header := expect(c, tagSequence)
	integer(&header) // id
	integer(&header) // greatest size
	flags := expect(&header, tagOctets)
	m.encrypted = flags.U8()&flagPrivacy != 0
	integer(&header) // security model
	security := expect(c, tagOctets)
	m.credentials(&security)
	if header.Failed() || flags.Failed() {
		c.Fail()
	}
	if m.encrypted || c.Failed() {
		return
	}
	scope := expect(c, tagSequence)
	expect(&scope, tagOctets) // engine
	expect(&scope, tagOctets) // context
	m.unit(&scope)
	if scope.Failed() {
		c.Fail()
	}
}

// credentials reads the user's name (RFC 3414 §2.4). Another security model has something else here.
func (m *message) credentials(c *wire.Cursor) {
	fields := expect(c, tagSequence)
	expect(&fields, tagOctets)
	integer(&fields)
	integer(&fields)
	if user := expect(&fields, tagOctets); !fields.Failed() {
		m.user = user.Rest()
	}
}

// unit reads a PDU.
func (m *message) unit(c *wire.Cursor) {
	tag, body := element(c)
	if c.Failed() || pdus[tag].name == "" {
		c.Fail()
		return
	}
	m.tag = tag
	if tag == tagTrap {
		enterprise := expect(&body, tagOID)
		m.enterprise = enterprise.Rest()
		element(&body) // address of the agent, which a translation on the way makes worthless
		integer(&body)
		integer(&body)
		element(&body) // time
	} else {
		m.request, m.errorStatus, m.errorIndex = integer(&body), integer(&body), integer(&body)
	}
	list := expect(&body, tagSequence)
	for list.Len() > 0 && len(m.variables) < maxVariables {
		v := expect(&list, tagSequence)
		name := expect(&v, tagOID)
		kind, value := element(&v)
		if v.Failed() {
			list.Fail()
		}
		m.variables = append(m.variables, variable{name.Rest(), kind, value.Rest()})
	}
	if body.Failed() || list.Failed() {
		c.Fail()
	}
}

// system is 1.3.6.1.2.1.1, entity the table of physical entities, 1.3.6.1.2.1.47.1.1.1.1, enterprises 1.3.6.1.4.1.
var (
	system      = oid{0x2b, 6, 1, 2, 1, 1}
	entity      = oid{0x2b, 6, 1, 2, 1, 47, 1, 1, 1, 1}
	enterprises = oid{0x2b, 6, 1, 4, 1}
)

// The numbers below system, and the columns of the table of entities.
const (
	sysDescr    = 1
	sysObjectID = 2
	sysName     = 5
	sysLocation = 6
)

var columns = map[byte]protocols.FactKey{
	8: protocols.FactHardware, 10: protocols.FactFirmware, 11: protocols.FactSerial, 12: protocols.FactVendor, 13: protocols.FactModel,
}

// identifies reports whether the variables asked for are the identity's: of the system group or the table of entities.
func (m *message) identifies() bool {
	for _, v := range m.variables {
		if !bytes.HasPrefix(v.name, system) && !bytes.HasPrefix(v.name, entity) {
			return false
		}
	}
	return len(m.variables) > 0
}

// vendors are the makers of what plants have, by their numbers in IANA's list of private enterprises.
var vendors = map[uint64]string{
	9: "Cisco", 11: "Hewlett-Packard", 95: "Rockwell Automation", 171: "D-Link", 244: "Lantronix", 248: "Hirschmann",
	318: "APC", 332: "Digi", 368: "Axis", 476: "Vertiv", 534: "Eaton", 674: "Dell", 908: "ABB", 1890: "Red Lion",
	1966: "Perle", 2636: "Juniper", 3833: "Schneider Electric", 4196: "Siemens", 4329: "Siemens", 4346: "Phoenix Contact",
	5940: "Red Lion", 6574: "Synology", 6876: "VMware", 7427: "Yokogawa", 8691: "Moxa", 10297: "Advantech",
	12356: "Fortinet", 13576: "WAGO", 14988: "MikroTik", 15004: "RuggedCom", 16177: "Westermo", 16838: "Omron",
	20540: "Red Lion", 21108: "Harting", 25157: "Beckhoff", 28381: "Red Lion", 29312: "B&R", 31823: "Schweitzer Engineering Laboratories",
}

const (
	certain = 90 // the agent's own name, its object id
	entered = 60 // what somebody wrote into the agent
)

// facts gives what an agent says of itself.
func (m *message) facts(from protocols.Side) []protocols.Fact {
	like := protocols.Fact{About: from}
	var facts []protocols.Fact
	add := func(key protocols.FactKey, value string, confidence uint8) {
		if value = strings.TrimSpace(strings.TrimRight(value, "\x00")); value != "" {
			facts = append(facts, protocols.Fact{About: from, Key: key, Value: value, Confidence: confidence})
		}
	}
	add(protocols.FactVendor, vendor(m.enterprise), certain)
	if m.tag != tagResponse || m.errorStatus != 0 {
		return facts
	}
	for _, v := range m.variables {
		text := string(v.value)
		rest, ok := bytes.CutPrefix(v.name, system)
		switch {
		case ok && len(rest) == 2 && rest[1] == 0 && rest[0] == sysObjectID && v.tag == tagOID:
			add(protocols.FactVendor, vendor(v.value), certain)
		case v.tag != tagOctets:
		case ok && len(rest) == 2 && rest[1] == 0 && rest[0] == sysDescr:
			facts = nameplate.Append(facts, like, text)
		case ok && len(rest) == 2 && rest[1] == 0 && rest[0] == sysName && strings.TrimSpace(text) != "":
			facts = append(facts, nameplate.Name(like, strings.TrimSpace(text), certain))
		case ok && len(rest) == 2 && rest[1] == 0 && rest[0] == sysLocation:
			add(protocols.FactLocation, text, entered)
		default:
			if column, ok := bytes.CutPrefix(v.name, entity); ok && len(column) == 2 && column[1] == 1 {
				if key := columns[column[0]]; key != "" {
					add(key, text, certain)
				}
			}
		}
	}
	return facts
}

// vendor gives the maker by the number behind enterprises.
func vendor(o oid) string {
	if !bytes.HasPrefix(o, enterprises) {
		return ""
	}
	if parts := o.parts(); len(parts) > 6 {
		return vendors[parts[6]]
	}
	return ""
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("snmp: %w: %s", protocols.ErrMalformed, fmt.Sprintf(format, args...))
}
