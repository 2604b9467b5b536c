package enip

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
)

const (
	replyBit           = 0x80
	svcSetSingle       = 0x10
	svcGetSingle       = 0x0e
	svcMultiple        = 0x0a
	svcUnconnectedSend = 0x52
	svcStart           = 0x06
	svcStop            = 0x07
)

// service is what a service is called and does. For those that every class may have, the action can be the class's.
type service struct {
	code   uint8
	name   string // empty: known by its number
	action protocols.Action
	of     manner
	data   layout // what lies behind the path, and in the answer
}

// layout names the form of a service's data: see [layouts].
type layout uint8

const (
	dataOther layout = iota
	dataRead
	dataWrite
	dataValue
	dataMode
	dataIdentity
	dataAttribute
	dataAttributes
	dataHost
	dataOpen
	dataClose
	dataFile
	dataPCCC
)

// layouts are what reads the data of requests and of answers that do not refuse. They are apart from the tables of
// services because they look into them.
var layouts = [...]struct {
	ask, tell func(d *conversation, c *call)
}{
	dataOther:      {},
	dataRead:       {ask: askRead, tell: tellRead},
	dataWrite:      {ask: askWrite},
	dataValue:      {ask: askValue, tell: tellValue},
	dataMode:       {tell: tellMode},
	dataIdentity:   {tell: tellIdentity},
	dataAttribute:  {ask: askValue, tell: tellAttribute},
	dataAttributes: {tell: tellAttributes},
	dataHost:       {tell: tellHost},
	dataOpen:       {ask: askOpen, tell: tellOpen},
	dataClose:      {ask: askClose},
	dataFile:       {ask: askFile},
	dataPCCC:       {ask: askPCCC, tell: tellPCCC},
}

// manner says where the action of a service comes from.
type manner uint8

const (
	fixed manner = iota
	gets
	sets
)

// common are the services that every class may have (Volume 1, appendix A), and behind them those without a name.
var common = func() (table [replyBit]service) {
	for i := range table {
		table[i] = service{code: uint8(i), name: fmt.Sprintf("Service 0x%02X", i)}
	}
	for _, s := range []service{
		{code: 0x01, name: "Get_Attributes_All", of: gets},
		{code: 0x02, name: "Set_Attributes_All", of: sets},
		{code: 0x03, name: "Get_Attribute_List", of: gets},
		{code: 0x04, name: "Set_Attribute_List", of: sets},
		{code: 0x05, name: "Reset", action: control},
		{code: svcStart, name: "Start", action: control, data: dataMode},
		{code: svcStop, name: "Stop", action: control, data: dataMode},
		{code: 0x08, name: "Create", of: sets},
		{code: 0x09, name: "Delete", of: sets},
		{code: svcMultiple, name: "Multiple_Service_Packet"},
		{code: 0x0d, name: "Apply_Attributes", of: sets},
		{code: svcGetSingle, name: "Get_Attribute_Single", of: gets, data: dataValue},
		{code: svcSetSingle, name: "Set_Attribute_Single", of: sets, data: dataValue},
		{code: 0x11, name: "Find_Next_Object_Instance", action: browse},
		{code: 0x15, name: "Restore", action: configure},
		{code: 0x16, name: "Save", action: configure},
		{code: 0x17, name: "No_Operation"},
		{code: 0x18, name: "Get_Member", of: gets},
		{code: 0x19, name: "Set_Member", of: sets},
		{code: 0x1a, name: "Insert_Member", of: sets},
		{code: 0x1b, name: "Remove_Member", of: sets},
		{code: 0x1c, name: "GroupSync", action: configure},
	} {
		table[s.code] = s
	}
	return table
}()

// tagServices are those of Logix controllers for tags (1756-PM020, chapter 1).
var tagServices = []service{
	{code: 0x4c, name: "Read Tag", action: read, data: dataRead},
	{code: 0x4d, name: "Write Tag", action: write, data: dataWrite},
	{code: 0x4e, name: "Read Modify Write Tag", action: write},
	{code: 0x52, name: "Read Tag Fragmented", action: read, data: dataRead},
	{code: 0x53, name: "Write Tag Fragmented", action: write, data: dataWrite},
}

// serviceOf gives the row for a service at a target.
func serviceOf(t *target, code uint8) *service {
	for i := range t.class.services {
		if s := &t.class.services[i]; s.code == code {
			return s
		}
	}
	return &common[code]
}

// title gives the service's name.
func (s *service) title() string {
	if s.name != "" {
		return s.name
	}
	return common[s.code].name
}

// does gives the action of a service at a target.
func (s *service) does(t *target) protocols.Action {
	switch {
	case s.of == gets && t.class.get != none:
		return t.class.get
	case s.of == gets:
		return read
	case s.of == sets && t.class.set != none:
		return t.class.set
	case s.of == sets:
		return configure
	default:
		return s.action
	}
}

// generalStatus names the general status codes (Volume 1, appendix B).
var generalStatus = map[uint8]string{
	0x00: "success", 0x01: "connection failure", 0x02: "resource unavailable", 0x03: "invalid parameter value",
	0x04: "path segment error", 0x05: "path destination unknown", 0x06: "partial transfer", 0x07: "connection lost",
	0x08: "service not supported", 0x09: "invalid attribute value", 0x0a: "attribute list error",
	0x0b: "already in requested mode or state", 0x0c: "object state conflict", 0x0d: "object already exists",
	0x0e: "attribute not settable", 0x0f: "privilege violation", 0x10: "device state conflict", 0x11: "reply data too large",
	0x12: "fragmentation of a primitive value", 0x13: "not enough data", 0x14: "attribute not supported", 0x15: "too much data",
	0x16: "object does not exist", 0x17: "service fragmentation sequence not in progress", 0x18: "no stored attribute data",
	0x19: "store operation failure", 0x1a: "routing failure, request packet too large",
	0x1b: "routing failure, response packet too large", 0x1c: "missing attribute list entry data",
	0x1d: "invalid attribute value list", 0x1e: "embedded service error", 0x1f: "vendor specific error", 0x20: "invalid parameter",
	0x21: "write-once value or medium already written", 0x22: "invalid reply received", 0x23: "buffer overflow",
	0x24: "message format error", 0x25: "key failure in path", 0x26: "path size invalid", 0x27: "unexpected attribute in list",
	0x28: "invalid member id", 0x29: "member not settable", 0x2a: "group 2 only server general failure",
	0x2b: "unknown Modbus error", 0x2c: "attribute not gettable", 0x2d: "instance not deletable",
	0x2e: "service not supported for specified path",
}

const (
	statusSuccess  = 0x00
	statusPartial  = 0x06 // more of the answer follows in another
	statusEmbedded = 0x1e // some of the services in a packet failed: each says for itself
)
