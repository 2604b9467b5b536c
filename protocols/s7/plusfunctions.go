package s7

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Function codes that are referred to elsewhere.
const (
	fnCreateObject = 0x04ca
	fnGetMulti     = 0x054c
)

// plusRow is what a function code of S7comm-plus means. read takes the object from a request and may sharpen the
// action.
type plusRow struct {
	name   string
	action protocols.Action
	read   func(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor)
}

var plusFunctions = map[uint16]plusRow{
	0x04b1:         {"Error", protocols.ActionNone, nil},
	0x04bb:         {"Explore", protocols.ActionBrowse, readObject},
	fnCreateObject: {"CreateObject", protocols.ActionDownload, readCreate},
	0x04d4:         {"DeleteObject", protocols.ActionDownload, readDelete},
	0x04f2:         {"SetVariable", protocols.ActionWrite, readSet},
	0x04fc:         {"GetVariable", protocols.ActionRead, readObject},
	0x0506:         {"AddLink", protocols.ActionConfigure, readObject},
	0x051a:         {"RemoveLink", protocols.ActionConfigure, readObject},
	0x0524:         {"GetLink", protocols.ActionBrowse, readObject},
	0x0542:         {"SetMultiVariables", protocols.ActionWrite, readSetMulti},
	fnGetMulti:     {"GetMultiVariables", protocols.ActionRead, readMulti},
	0x0556:         {"BeginSequence", protocols.ActionConnect, nil},
	0x0560:         {"EndSequence", protocols.ActionConnect, nil},
	0x056b:         {"Invoke", protocols.ActionControl, readObject},
	0x057c:         {"SetVarSubStreamed", protocols.ActionWrite, readSet},
	0x0586:         {"GetVarSubStreamed", protocols.ActionRead, readObject},
	0x0590:         {"GetVariablesAddress", protocols.ActionBrowse, readObject},
	0x059a:         {"Abort", protocols.ActionConnect, nil},
	0x05a9:         {"Error", protocols.ActionNone, nil},
	0x05b3:         {"InitSsl", protocols.ActionConnect, nil},
}

func plusFunction(fn uint16) (string, protocols.Action) {
	if row, ok := plusFunctions[fn]; ok {
		return row.name, row.action
	}
	return fmt.Sprintf("Function 0x%04x", fn), protocols.ActionNone
}

// Identifiers that every controller of this family has.
const (
	areaPlusDB      = 0x8a0e     // upper half of the identifiers of data blocks
	objectSessions  = 0x11d      // the container in which a client creates its session
	objectExecution = 0x34       // the unit that executes the program
	dynamicObjects  = 0x70000000 // objects that clients created for themselves begin here …
	blockObjects    = 0x80000000 // … and end before blocks of the program
	classSubscribed = 1001       // class of subscriptions

	attrResponse    = 304  // answer to the challenge at the start of a session
	attrCreditLimit = 1053 // how many notifications a subscription may still send
	attrLegitimate  = 1846 // password, in the form that the session agreed on
	attrOperating   = 2167 // requested operating state
)

func readObject(c *conversation, ev *protocols.Event, _ uint32, r *wire.Cursor) {
	if id := r.U32(); !r.Failed() {
		ev.Object = c.names.plusObject(id)
	}
}

// plusObject names an object by its identifier, a data block by its number.
func (n *names) plusObject(id uint32) protocols.Object {
	if id>>16 == areaPlusDB {
		return protocols.Object{Area: "DB", Name: n.variable(&item{area: areaDB, db: uint16(id)})}
	}
	return protocols.Object{Area: "object", Name: n.object(id)}
}

// ownObject reports whether an object is the client's session, or something that it created there for itself.
func ownObject(id, session uint32) bool {
	return id == session || (id >= dynamicObjects && id < blockObjects)
}

// readCreate tells what is created: a session, a subscription, or a part of the program. The request names the
// container, a value, and the new object: mark 0xa1, identifier, class.
func readCreate(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor) {
	container := r.U32()
	rest := r.Rest()
	if container == objectSessions {
		ev.Action = protocols.ActionConnect
		ev.Object = protocols.Object{Area: "object", Name: c.names.object(container)}
		ev.Facts = clientFacts(rest)
		return
	}
	at := bytes.IndexByte(rest[:min(len(rest), 16)], 0xa1)
	n := wire.New(rest[max(at, 0):])
	n.Skip(1)
	id := n.U32()
	class, ok := vlq(&n)
	if at < 0 || !ok {
		ev.Object = protocols.Object{Area: "object", Name: c.names.object(container)}
		return
	}
	if class == classSubscribed || ownObject(container, session) || ownObject(id, session) {
		ev.Action = protocols.ActionSubscribe
		ev.Object = protocols.Object{Area: "subscription", Name: c.names.object(id)}
		return
	}
	ev.Object = protocols.Object{Area: "block", Name: blockName(id, n.Rest())}
}

// readDelete tells what is deleted: the session, a subscription, or a part of the program.
func readDelete(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor) {
	id := r.U32()
	if r.Failed() {
		return
	}
	ev.Object = c.names.plusObject(id)
	switch {
	case id == session:
		ev.Action = protocols.ActionConnect
	case ownObject(id, session) || id < blockObjects:
		ev.Action = protocols.ActionSubscribe
	}
}

// readSet tells what is set: object, count, attribute, value.
func readSet(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor) {
	id := r.U32()
	_, _ = vlq(r)
	attribute, ok := vlq(r)
	ev.Object = c.names.plusObject(id)
	if !ok {
		return
	}
	ev.Action = attributeAction(id, session, attribute, ev.Action)
	if id == objectExecution && attribute == attrOperating {
		ev.Action = protocols.ActionControl
		ev.Object = protocols.Object{Area: "program", Name: "operating state"} // 1 stops, 3 runs
	}
	if ev.Action == protocols.ActionWrite || ev.Action == protocols.ActionControl {
		ev.Values, _ = plusValue(r) // never of a login: it would be the password
	}
}

// attributeAction sharpens what setting an attribute does. Clients set attributes of their own session all the time:
// that alters nothing in the plant.
func attributeAction(id, session uint32, attribute uint64, action protocols.Action) protocols.Action {
	switch {
	case attribute == attrCreditLimit:
		return protocols.ActionSubscribe
	case id == session && (attribute == attrLegitimate || attribute == attrResponse):
		return protocols.ActionLogin
	case ownObject(id, session):
		return protocols.ActionConnect
	default:
		return action
	}
}

// readSetMulti tells what is set: an object and its attributes, or without an object a list of variables.
func readSetMulti(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor) {
	id := r.U32()
	if id == 0 {
		c.readVariables(r)
		c.plus.readValues(r)
		return
	}
	ev.Object = c.names.plusObject(id)
	count, _ := vlq(r)
	_, _ = vlq(r)
	for range min(count, maxPlusPending) {
		attribute, ok := vlq(r)
		if !ok {
			break
		}
		sharper := attributeAction(id, session, attribute, ev.Action)
		if sharper == protocols.ActionLogin || ev.Action == protocols.ActionWrite {
			ev.Action = sharper
		}
		if id == objectExecution && attribute == attrOperating {
			ev.Action = protocols.ActionControl
		}
	}
}

// readMulti tells what is read: without an object, a list of variables.
func readMulti(c *conversation, ev *protocols.Event, _ uint32, r *wire.Cursor) {
	if id := r.U32(); id != 0 && !r.Failed() {
		ev.Object = c.names.plusObject(id)
		return
	}
	c.readVariables(r)
}

// maxVariables is how many variables of one message are named.
const maxVariables = 256

// readVariables names the variables of a list: count, count of fields, and for each its checksum, area, count of
// identifiers, identifiers.
func (c *conversation) readVariables(r *wire.Cursor) {
	count, _ := vlq(r)
	_, _ = vlq(r)
	for range min(count, maxVariables) {
		_, _ = vlq(r)
		where, _ := vlq(r)
		steps, _ := vlq(r)
		var path [maxSteps]uint64
		depth := 0
		for i := uint64(0); i < steps && !r.Failed(); i++ {
			if step, ok := vlq(r); ok && depth < maxSteps {
				path[depth] = step
				depth++
			}
		}
		if r.Failed() {
			return
		}
		c.plus.vars = append(c.plus.vars, variable{object: c.names.address(uint32(where), path[:depth])})
	}
}

// address names a variable of S7comm-plus by its area and the identifiers on its way: "DB3.14.0.256".
func (n *names) address(where uint32, path []uint64) protocols.Object {
	kind := "object"
	if where>>16 == areaPlusDB {
		kind = "DB"
	} else if code, ok := symbolAreas[uint16(where)]; ok && where>>16 == 0 {
		kind = areaName(code)
	}
	key := binary.BigEndian.AppendUint32(append(n.scratch[:0], 'a'), where)
	for _, step := range path {
		if len(key)+5 > len(n.scratch) {
			break
		}
		key = binary.BigEndian.AppendUint32(key, uint32(step))
	}
	if text, ok := n.lookup(key); ok {
		return protocols.Object{Area: kind, Name: text}
	}
	var text []byte
	switch kind {
	case "DB":
		text = strconv.AppendUint(append(text, "DB"...), uint64(where&0xffff), 10)
	case "object":
		text = fmt.Appendf(text, "0x%08x", where)
	default:
		text = append(text, kind...)
	}
	// The first identifier says which value of the area is meant: the actual one.
	for _, step := range path[min(1, len(path)):] {
		text = strconv.AppendUint(append(text, '.'), step, 10)
	}
	return protocols.Object{Area: kind, Name: n.keep(key, string(text))}
}

// Strings in a created object: mark 0xa3, attribute, flags, type 0x15, length, text.
const typeString = 0x15

// attributeText finds the text of an attribute, given its identifier as it stands on the wire. Search instead of a
// walk, because the values before it may have any type.
func attributeText(b []byte, attribute ...byte) string {
	at := bytes.Index(b, append(attribute, 0x00, typeString))
	if at < 0 {
		return ""
	}
	r := wire.New(b[at+len(attribute)+2:])
	n, ok := vlq(&r)
	if !ok || n > 64 {
		return ""
	}
	return printable(r.Bytes(int(n)))
}

// blockName names an object of the program by its own name if it has one.
func blockName(id uint32, b []byte) string {
	if name := attributeText(b, 0xa3, 0x81, 0x69); name != "" {
		return name
	}
	if id>>16 == areaPlusDB {
		return "DB" + strconv.Itoa(int(id&0xffff))
	}
	return fmt.Sprintf("0x%08x", id)
}

// clientFacts reads what a client says of itself when it opens a session: its application.
func clientFacts(b []byte) []protocols.Fact {
	if text := attributeText(b, 0xa3, 0x82, 0x29); text != "" {
		return []protocols.Fact{{About: protocols.Client, Key: protocols.FactApplication, Value: text}}
	}
	return nil
}

// serverFacts reads what a controller says of itself in the answer: "1;6ES7 211-1BE30-0XB0;V3.0".
func serverFacts(b []byte) []protocols.Fact {
	parts := strings.Split(attributeText(b, 0x82, 0x3f), ";")
	if len(parts) < 3 {
		return nil
	}
	order := strings.TrimSpace(parts[1])
	facts := fact(nil, protocols.FactOrderNumber, order)
	if strings.HasPrefix(order, "6ES7") {
		facts = fact(fact(facts, protocols.FactModel, order), protocols.FactVendor, "Siemens")
	}
	return fact(facts, protocols.FactFirmware, strings.TrimSpace(parts[2]))
}
