package mms

import (
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Tags of names (ISO 9506-2, ObjectName) and of variables.
const (
	nameVMD           = 0x80
	nameDomain        = 0xa1
	nameAssociation   = 0x82
	visibleIdentifier = 0x1a
	fileNamePart      = 0x19
	sequence          = 0x30
)

// name is an object's name; domain is empty where the name is not a domain's. It borrows the message.
type name struct{ domain, item []byte }

// objectName reads a name by its tag; false when it is none.
func objectName(t tag, content []byte) (n name, ok bool) {
	switch t {
	case nameVMD, nameAssociation:
		return name{item: content}, len(content) > 0
	case nameDomain:
		c := wire.New(content)
		first, domain := element(&c)
		second, item := element(&c)
		return name{domain, item}, !c.Failed() && first == visibleIdentifier && second == visibleIdentifier
	default:
		return name{}, false
	}
}

// maxName is how long a name may be that is kept; MMS has 65 characters and IEC 61850 allows 129.
const maxName = 256

// maxNames is how many names a conversation keeps.
const maxNames = 64

// names keeps the text of names, so that what is read again and again costs nothing. Two names that share a place take
// it from each other. The zero value is ready.
type names struct{ kept []protocols.Object }

func (k *names) object(area string, n name) protocols.Object {
	if len(n.domain)+len(n.item) > maxName {
		n.domain, n.item = n.domain[:min(len(n.domain), maxName/2)], n.item[:min(len(n.item), maxName/2)]
	}
	if k.kept == nil {
		k.kept = make([]protocols.Object, maxNames)
	}
	h := uint32(len(area))
	for _, x := range n.domain {
		h = h*31 + uint32(x)
	}
	for _, x := range n.item {
		h = h*31 + uint32(x)
	}
	at := &k.kept[(h^h>>13)%maxNames]
	if at.Area != area || !n.is(at.Name) {
		*at = protocols.Object{Area: area, Name: n.String()}
	}
	return *at
}

func (n name) is(s string) bool {
	d := len(n.domain)
	if d == 0 {
		return s == string(n.item)
	}
	return len(s) == d+1+len(n.item) && s[:d] == string(n.domain) && s[d] == '/' && s[d+1:] == string(n.item)
}

// String gives "domain/item".
func (n name) String() string {
	s := string(n.item)
	if len(n.domain) > 0 {
		s = string(n.domain) + "/" + s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// constraint gives the functional constraint of an IEC 61850 variable (IEC 61850-8-1, 7.3.2): what stands behind the
// first dollar sign of its item. Empty where there is none.
func (n name) constraint() string {
	for i, x := range n.item {
		if x != '$' {
			continue
		}
		if rest := n.item[i+1:]; len(rest) == 2 || len(rest) > 2 && rest[2] == '$' {
			return constraints[[2]byte(rest)]
		}
		return ""
	}
	return ""
}

// constraints are the functional constraints (IEC 61850-7-2, annex B).
var constraints = func() map[[2]byte]string {
	m := map[[2]byte]string{}
	for s := range strings.FieldsSeq("ST MX SP SV CF DC SG SE EX SR OR BL CO BR RP LG GO GS MS US") {
		m[[2]byte([]byte(s))] = s
	}
	return m
}()

// writes tells what writing to a functional constraint means; others are values of the process.
var writes = map[string]protocols.Action{
	"CF": configure, "DC": configure, "SG": configure, "SE": configure, "LG": configure, "GO": configure, "GS": configure,
	"MS": configure, "US": configure, "BR": subscribe, "RP": subscribe,
}

// writeAction tells what a write to the variable does.
func (n name) writeAction() protocols.Action { return writes[n.constraint()] }

// readAction tells what reading the variable is for: what a device or its logical nodes are by their name plates
// identifies it.
func (n name) readAction() protocols.Action {
	if n.constraint() == "DC" && n.plate() != nil {
		return protocols.ActionIdentify
	}
	return protocols.ActionNone
}

// plates are the attributes of name plates (IEC 61850-7-3, LPL and DPL).
var plates = map[string]map[string]protocols.FactKey{
	"NamPlt": {"vendor": protocols.FactVendor, "swRev": protocols.FactFirmware},
	"PhyNam": {
		"vendor": protocols.FactVendor, "model": protocols.FactModel, "serNum": protocols.FactSerial,
		"hwRev": protocols.FactHardware, "swRev": protocols.FactFirmware, "location": protocols.FactLocation,
		"name": protocols.FactName,
	},
}

// plate gives the attributes of the name plate that the variable is, or is part of; nil when it is none.
func (n name) plate() map[string]protocols.FactKey {
	for part := range strings.SplitSeq(string(n.item), "$") {
		if attributes := plates[part]; attributes != nil {
			return attributes
		}
	}
	return nil
}

// plateKey gives the fact that the variable is; empty when it is none.
func (n name) plateKey() protocols.FactKey {
	s := string(n.item)
	return n.plate()[s[strings.LastIndexByte(s, '$')+1:]]
}
