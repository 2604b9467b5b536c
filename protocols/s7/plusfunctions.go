package s7

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Function codes that are referred to elsewhere.
const (
	fnExplore      = 0x04bb
	fnCreateObject = 0x04ca
	fnGetMulti     = 0x054c
	fnGetStreamed  = 0x0586
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
	fnExplore:      {"Explore", protocols.ActionBrowse, readExplore},
	fnCreateObject: {"CreateObject", protocols.ActionDownload, readCreate},
	0x04d4:         {"DeleteObject", protocols.ActionDownload, readDelete},
	0x04f2:         {"SetVariable", protocols.ActionWrite, readSet},
	0x04fc:         {"GetVariable", protocols.ActionRead, readGet},
	0x0506:         {"AddLink", protocols.ActionConfigure, readObject},
	0x051a:         {"RemoveLink", protocols.ActionConfigure, readObject},
	0x0524:         {"GetLink", protocols.ActionBrowse, readObject},
	0x0542:         {"SetMultiVariables", protocols.ActionWrite, readSetMulti},
	fnGetMulti:     {"GetMultiVariables", protocols.ActionRead, readMulti},
	0x0556:         {"BeginSequence", protocols.ActionConnect, readBegin},
	0x0560:         {"EndSequence", protocols.ActionConnect, nil},
	0x056b:         {"Invoke", protocols.ActionControl, readObject},
	0x057c:         {"SetVarSubStreamed", protocols.ActionWrite, readSetStreamed},
	fnGetStreamed:  {"GetVarSubStreamed", protocols.ActionRead, readStreamed},
	0x0590:         {"GetVariablesAddress", protocols.ActionBrowse, readObject},
	0x059a:         {"Abort", protocols.ActionConnect, nil},
	0x05a9:         {"Error2", protocols.ActionNone, nil},
	0x05b3:         {"InitSsl", protocols.ActionConnect, nil},
}

func plusFunction(fn uint16) (string, protocols.Action) {
	if row, ok := plusFunctions[fn]; ok {
		return row.name, row.action
	}
	return fmt.Sprintf("Function 0x%04x", fn), protocols.ActionNone
}

// plusQuery is what a request says for its answer: an attribute that it reads, which of several variables that is, and
// the operating state that it asks for.
type plusQuery struct {
	attribute uint32
	variable  uint16 // from 1; 0 where the request is not about several
	state     uint8
}

// readObject takes the object.
func readObject(c *conversation, ev *protocols.Event, _ uint32, r *wire.Cursor) {
	if id := r.U32(); !r.Failed() {
		ev.Object = c.names.plusObject(id)
	}
}

// readGet takes object and attribute: object, count, attributes.
func readGet(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor) {
	id := r.U32()
	count, _ := vlq(r)
	c.readAttributes(ev, id, session, count, r)
}

// readStreamed takes object and attribute: object, list of identifiers as a value.
func readStreamed(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor) {
	id := r.U32()
	c.readAttributes(ev, id, session, pathLength(r), r)
}

// pathLength reads the beginning of a list of identifiers, and gives how many they are.
func pathLength(r *wire.Cursor) uint64 {
	if r.U8() != flagAddresses || r.U8() != typeUDInt {
		r.Fail()
	}
	n, _ := vlq(r)
	return n
}

// readExplore takes object and attributes: object, number of the request, four marks, count of objects, attributes.
func readExplore(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor) {
	id := r.U32()
	ev.Object = c.names.plusObject(id)
	_, _ = vlq(r)
	r.Skip(3)
	if filters, objects := r.U8(), r.U8(); filters == 0 && objects == 0 {
		count, _ := vlq(r)
		c.readAttributes(ev, id, session, count, r)
	}
}

// readAttributes sharpens what reading attributes does: those that make up a block are the program, some others tell
// who the controller is, or belong to a login.
func (c *conversation) readAttributes(ev *protocols.Event, id, session uint32, count uint64, r *wire.Cursor) {
	ev.Object = c.names.plusObject(id)
	for i := uint64(0); i < count; i++ {
		v, ok := vlq(r)
		if !ok {
			return
		}
		attribute := uint32(v)
		if i == 0 && (attribute != attrName || id == objectCPU) {
			c.plus.read.attribute = attribute
		}
		switch {
		case contentAttributes[attribute] && id >= blockObjects:
			ev.Action, ev.Object = protocols.ActionUpload, c.names.block(id)
		case contentAttributes[attribute] && id == objectProgram:
			ev.Action = protocols.ActionUpload
		case attribute == attrNameplate || attribute == attrName && id == objectCPU:
			ev.Action = protocols.ActionIdentify
		case attribute == attrChallenge && id == session:
			ev.Action = protocols.ActionLogin
		}
	}
}

// readCreate tells what is created: a session, a subscription, or a part of the program. The request names the
// container, a value, and the new object.
func readCreate(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor) {
	container := r.U32()
	rest := r.Rest()
	if container == objectSessions {
		ev.Action = protocols.ActionConnect
		ev.Object = c.names.plusObject(container)
		ev.Facts = clientFacts(rest)
		return
	}
	w := objectsIn(rest)
	if !w.next() || w.mark != markObject {
		ev.Object = c.names.plusObject(container)
		return
	}
	if w.class == classSubscribed || ownObject(container, session) || ownObject(w.id, session) {
		ev.Action = protocols.ActionSubscribe
		ev.Object = protocols.Object{Area: "subscription", Name: c.names.object(w.id)}
		c.plus.subscribe(c, &w)
		return
	}
	ev.Object = protocols.Object{Area: "block", Name: c.names.created(w.id, w.r.Rest())}
}

// readBegin tells what a sequence of requests is about: the transaction of a download, if it begins one.
func readBegin(_ *conversation, ev *protocols.Event, _ uint32, r *wire.Cursor) {
	w := objectsIn(r.Rest())
	if w.next() && attributeText(w.r.Rest(), markAttribute, 0x81, 0x69) == downloadTransaction {
		ev.Action = protocols.ActionDownload
		ev.Object = protocols.Object{Area: "program", Name: downloadTransaction}
	}
}

// downloadTransaction is what engineering software calls the object of a download.
const downloadTransaction = "DLTransaction"

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
	default:
		ev.Object = c.names.block(id)
	}
}

// readSet tells what is set: object, count, attribute, value.
func readSet(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor) {
	id := r.U32()
	_, _ = vlq(r)
	c.readSetting(ev, id, session, r)
}

// readSetStreamed tells what is set: object, list of identifiers as a value, value.
func readSetStreamed(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor) {
	id := r.U32()
	_ = pathLength(r)
	c.readSetting(ev, id, session, r)
}

// readSetting reads attribute and value.
func (c *conversation) readSetting(ev *protocols.Event, id, session uint32, r *wire.Cursor) {
	attribute, ok := vlq(r)
	ev.Object = c.names.plusObject(id)
	if !ok {
		return
	}
	ev.Action = attributeAction(id, session, attribute, ev.Action)
	operating := id == objectExecution && attribute == attrOperating
	if operating {
		ev.Action, ev.Object = protocols.ActionControl, operatingState
	}
	if contentAttributes[uint32(attribute)] && id >= blockObjects {
		ev.Action, ev.Object = protocols.ActionDownload, c.names.block(id)
	}
	if ev.Action == protocols.ActionWrite || ev.Action == protocols.ActionControl {
		ev.Values, _ = plusValue(r, &c.plus.spare.scalar) // never of a login: it would be the password
	}
	if operating && len(ev.Values.Raw) > 0 {
		c.plus.read.state = ev.Values.Raw[0]
	}
}

// operatingState is what a client sets to stop a controller (1) or to run it (3).
var operatingState = protocols.Object{Area: "program", Name: "operating state"}

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
		c.readVariables(session, r)
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
			ev.Action, ev.Object = protocols.ActionControl, operatingState
		}
	}
}

// readMulti tells what is read: an object and its attributes, or without an object a list of variables.
func readMulti(c *conversation, ev *protocols.Event, session uint32, r *wire.Cursor) {
	if id := r.U32(); id != 0 && !r.Failed() {
		count, _ := vlq(r)
		_, _ = vlq(r)
		c.readAttributes(ev, id, session, count, r)
		return
	}
	c.readVariables(session, r)
}

// maxVariables is how many variables of one message are named.
const maxVariables = 256

// readVariables names the variables of a list: count, count of fields, and for each its checksum, area, count of
// identifiers, identifiers.
func (c *conversation) readVariables(session uint32, r *wire.Cursor) {
	count, _ := vlq(r)
	_, _ = vlq(r)
	for range min(count, maxVariables) {
		_, _ = vlq(r)
		where, _ := vlq(r)
		steps, _ := vlq(r)
		begin := *r
		object, ok := c.path(uint32(where), steps, r)
		if !ok {
			return
		}
		attribute, _ := vlq(&begin)
		if uint32(where) == session && attribute == attrProtection || where == objectCPU && attribute == attrName {
			c.plus.read = plusQuery{attribute: uint32(attribute), variable: uint16(len(c.plus.vars) + 1)}
		}
		c.plus.vars = append(c.plus.vars, variable{object: object})
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
	// Of an area, the first identifier says which value is meant: the actual one.
	steps := path[min(1, len(path)):]
	switch {
	case kind == "DB":
		text = strconv.AppendUint(append(text, "DB"...), uint64(where&0xffff), 10)
	case kind != "object":
		text = append(text, kind...)
	default:
		text, steps = append(text, n.plusObject(where).Name...), path
	}
	for _, step := range steps {
		text = strconv.AppendUint(append(text, '.'), step, 10)
	}
	return protocols.Object{Area: kind, Name: n.keep(key, string(text))}
}
