package mms

import (
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Bounds of what is kept of a message between messages, and of what is told of one.
const (
	maxItems    = 512
	keptItems   = 64
	keptScratch = 8 << 10
	maxFacts    = 16
)

// item is one object that a message is about.
type item struct {
	name    name // of a request; it borrows the message
	object  protocols.Object
	values  protocols.Values
	action  protocols.Action // none: the service's
	plate   protocols.FactKey
	refused bool
	failure uint32 // DataAccessError
	failed  bool
}

// message is one MMS PDU taken apart. Its slices borrow the message or the dissector's memory.
type message struct {
	from    protocols.Side
	kind    uint8 // of PDU
	service uint8
	named   bool // the PDU has a service
	row     *service
	invoke  uint32
	invoked bool

	items   []item
	listed  bool   // the items are the members of the one variable list
	results []item // of an answer, in the order of the request
	names   *names
	scratch []byte
	facts   []protocols.Fact
	class   []byte // of a service error: its class and code
	offer   offer
	err     error
}

// offer is what the two sides of an association propose and accept.
type offer struct {
	there    bool
	size     uint32
	version  uint32
	services string // hexadecimal bit string
}

func (m *message) reset(from protocols.Side) {
	items, results, scratch := m.items, m.results, m.scratch
	if cap(items) > keptItems {
		items = nil
	}
	if cap(results) > keptItems {
		results = nil
	}
	if cap(scratch) > keptScratch {
		scratch = nil
	}
	clear(items)
	clear(results)
	*m = message{from: from, items: items[:0], results: results[:0], scratch: scratch[:0], names: m.names}
}

func (m *message) fail(format string, args ...any) {
	if m.err == nil {
		m.err = malformed(format, args...)
	}
}

// read reads a PDU.
func (m *message) read(b []byte) {
	c := wire.New(b)
	t, content := element(&c)
	m.kind = t.number()
	if c.Failed() || t.first()&0xc0 != 0x80 || int(m.kind) >= len(pdus) {
		m.kind = rejectPDU
		m.fail("PDU with tag 0x%02x in %d bytes", uint16(t), len(b))
		return
	}
	body := wire.New(content)
	switch m.kind {
	case confirmedRequest, confirmedResponse:
		m.identifier(&body)
		t, content := element(&body)
		if t == 0xbf4f { // modifiers stand before the service
			t, content = element(&body)
		}
		m.confirmed(t, content)
	case unconfirmedPDU:
		t, content := element(&body)
		m.service, m.named = t.number(), true
		if int(m.service) < len(unconfirmed) {
			m.row = &unconfirmed[m.service]
			m.ask(content)
		}
	case confirmedError, rejectPDU, 7, 13:
		m.refusal(content)
	case 5, 6:
		m.invoke, m.invoked = integer(content)
	case initiateRequest, initiateResponse:
		m.initiate(content)
	}
	if body.Failed() {
		m.fail("%s of %d bytes", pdus[m.kind].name, len(b))
	}
}

// identifier takes the number of a request.
func (m *message) identifier(c *wire.Cursor) {
	t, content := element(c)
	if m.invoke, m.invoked = integer(content); !m.invoked || t != 0x02 {
		c.Fail()
	}
}

// confirmed reads a confirmed service.
func (m *message) confirmed(t tag, content []byte) {
	m.service, m.named = t.number(), true
	switch {
	case int(m.service) >= len(services):
		return
	case m.kind == confirmedRequest:
		m.row = &services[m.service]
		m.ask(content)
	default:
		m.row = &services[m.service]
		if m.row.answer != nil {
			m.row.answer(m, content)
		}
	}
}

// ask reads what a request is about: as its row says, or by the first name that stands in it.
func (m *message) ask(content []byte) {
	if m.row.ask != nil {
		m.row.ask(m, content)
		return
	}
	if n, ok := firstName(content, 0); ok {
		m.about(n, protocols.ActionNone)
	}
}

// maxSearch is how deep the first name of a service stands at most.
const maxSearch = 5

// firstName gives the first name in the content of a service: an object's, a plain identifier, or a file's.
func firstName(b []byte, level int) (name, bool) {
	c := wire.New(b)
	t, content := element(&c)
	if c.Failed() || level == maxSearch {
		return name{item: b}, printable(b) && level < maxSearch
	}
	if n, ok := objectName(t, content); ok && printable(n.item) && (len(n.domain) == 0 || printable(n.domain)) {
		return n, true
	}
	if t.first()&constructed != 0 {
		return firstName(content, level+1)
	}
	if t == visibleIdentifier || t == fileNamePart {
		return name{item: content}, printable(content)
	}
	return name{item: b}, printable(b)
}

func printable(b []byte) bool {
	for _, x := range b {
		if x < 0x20 || x > 0x7e {
			return false
		}
	}
	return len(b) > 0
}

// about adds what a request is about.
func (m *message) about(n name, action protocols.Action) { m.add(m.row.area, n, action) }

func (m *message) add(area string, n name, action protocols.Action) {
	if len(m.items) >= maxItems {
		return
	}
	it := item{name: n, object: m.names.object(area, n), action: action}
	if n.constraint() == "DC" {
		it.plate = n.plateKey()
	}
	m.items = append(m.items, it)
}

// variables reads which variables are accessed (ISO 9506-2, VariableAccessSpecification): a list of them, or one that
// has a name.
func (m *message) variables(t tag, content []byte, action func(name) protocols.Action) {
	c := wire.New(content)
	if t == 0xa1 {
		t, content := element(&c)
		if n, ok := objectName(t, content); ok && !c.Failed() {
			m.listed = true
			m.items = append(m.items, item{name: n, object: m.names.object("variable-list", n)})
			return
		}
		m.fail("name of a variable list in %d bytes", len(content))
		return
	}
	for c.Len() > 0 && len(m.items) < maxItems {
		_, variable := element(&c)
		v := wire.New(variable)
		t, specification := element(&v)
		if v.Failed() || c.Failed() {
			m.fail("variable in %d bytes", len(content))
			return
		}
		n := name{item: unnamed}
		if t == 0xa0 {
			s := wire.New(specification)
			t, content := element(&s)
			if named, ok := objectName(t, content); ok && !s.Failed() {
				n = named
			}
		}
		m.add("variable", n, action(n))
	}
}

// unnamed stands for a variable that has an address, or a type, in the place of a name.
var unnamed = []byte("unnamed")

func (m *message) readRequest(b []byte) {
	c := wire.New(b)
	for c.Len() > 0 {
		t, content := element(&c)
		if t == 0xa1 {
			s := wire.New(content)
			t, content := element(&s)
			m.variables(t, content, name.readAction)
		}
	}
	if c.Failed() || len(m.items) == 0 {
		m.fail("read of %d bytes", len(b))
	}
}

func (m *message) writeRequest(b []byte) {
	c := wire.New(b)
	t, content := element(&c)
	m.variables(t, content, name.writeAction)
	t, content = element(&c)
	if c.Failed() || t != 0xa0 {
		m.fail("write of %d bytes", len(b))
		return
	}
	m.values(content)
}

// values reads a list of data and gives each to its item; those of a list of variables are one value.
func (m *message) values(b []byte) {
	m.accessResults(b)
	m.assign()
}

// assign gives each item its result.
func (m *message) assign() {
	if m.listed && len(m.items) == 1 {
		return
	}
	for i := range m.items[:min(len(m.items), len(m.results))] {
		it, r := &m.items[i], &m.results[i]
		it.values, it.refused, it.failure, it.failed = r.values, r.refused, r.failure, r.failed
	}
}

// accessResults reads a list of results (ISO 9506-2, AccessResult): data, or why there is none.
func (m *message) accessResults(b []byte) {
	c := wire.New(b)
	for c.Len() > 0 && len(m.results) < maxItems {
		t, content := element(&c)
		if c.Failed() {
			m.fail("results of %d bytes", len(b))
			return
		}
		var r item
		if t == 0x80 {
			r.refused = true
			r.failure, r.failed = integer(content)
		} else {
			r.values = m.value(t, content)
		}
		m.results = append(m.results, r)
	}
}

func (m *message) readResponse(b []byte) {
	results := find(b, 0xa1)
	if results == nil {
		m.fail("read response of %d bytes", len(b))
	}
	m.accessResults(results)
}

func (m *message) writeResponse(b []byte) {
	c := wire.New(b)
	for c.Len() > 0 && len(m.results) < maxItems {
		t, content := element(&c)
		r := item{refused: t == 0x80}
		if r.refused {
			r.failure, r.failed = integer(content)
		}
		m.results = append(m.results, r)
	}
	if c.Failed() {
		m.fail("write response of %d bytes", len(b))
	}
}

// informationReport reads values that nobody asked for now: a report, or the end of a command.
func (m *message) informationReport(b []byte) {
	c := wire.New(b)
	t, content := element(&c)
	m.variables(t, content, func(name) protocols.Action { return protocols.ActionNone })
	_, results := element(&c)
	if c.Failed() {
		m.fail("report of %d bytes", len(b))
		return
	}
	m.values(results)
	if m.listed && len(m.items) == 1 {
		// IEC 61850-8-1, 17: a report names its list alike everywhere, and itself in its first value.
		if it := &m.items[0]; string(it.name.item) == "RPT" && len(m.results) > 0 && m.results[0].values.Type == protocols.ValueText {
			it.object = m.names.object("report", name{item: m.results[0].values.Raw})
		}
		start := len(m.scratch)
		m.scratch = appendStructure(m.scratch, results, 0)
		m.items[0].values = protocols.Values{Type: protocols.ValueText, Raw: m.scratch[start:]}
	}
}

// classes are what names are asked of (ISO 9506-2, ObjectClass).
var classes = []string{
	"variable", "scattered-access", "variable-list", "type", "semaphore", "event-condition", "event-action",
	"event-enrollment", "journal", "domain", "program", "operator-station",
}

// nameList reads of which kind names are asked, and of which domain.
func (m *message) nameList(b []byte) {
	class, ok := integer(find(find(b, 0xa0), 0x80))
	if !ok {
		m.fail("getNameList of %d bytes", len(b))
		return
	}
	area := "names"
	if int(class) < len(classes) {
		area = classes[class]
	}
	scope := find(find(b, 0xa1), 0x81)
	m.items = append(m.items, item{name: name{item: scope}, object: m.names.object(area, name{item: scope})})
}

// members reads which variables a list has.
func (m *message) members(b []byte) {
	m.variables(0xa0, find(b, 0xa1), func(name) protocols.Action { return protocols.ActionNone })
}

// deleteLists reads which variable lists go: some by name, or all of a domain.
func (m *message) deleteLists(b []byte) {
	c := wire.New(find(b, 0xa1))
	for c.Len() > 0 {
		t, content := element(&c)
		if n, ok := objectName(t, content); ok && !c.Failed() {
			m.about(n, protocols.ActionNone)
		}
	}
	if domain := find(b, 0x82); domain != nil {
		m.about(name{item: domain}, protocols.ActionNone)
	}
	if c.Failed() {
		m.fail("deleteNamedVariableList of %d bytes", len(b))
	}
}

// identity reads whose device this is.
func (m *message) identity(b []byte) {
	m.tell(protocols.FactVendor, find(b, 0x80))
	m.tell(protocols.FactModel, find(b, 0x81))
	m.tell(protocols.FactFirmware, find(b, 0x82))
}

// status reads whether the device works (ISO 9506-2, StatusResponse).
func (m *message) status(b []byte) {
	if physical, ok := integer(find(b, 0x81)); ok && physical < 3 {
		m.tell(protocols.FactMode, [][]byte{[]byte("run"), []byte("run"), []byte("stop")}[physical])
	}
}

// tell adds a fact about the sender.
func (m *message) tell(key protocols.FactKey, value []byte) {
	s := strings.TrimSpace(strings.Trim(strings.ToValidUTF8(string(value[:min(len(value), maxName)]), "\ufffd"), "\x00"))
	if s != "" && len(m.facts) < maxFacts {
		m.facts = append(m.facts, protocols.Fact{About: m.from, Key: key, Value: s})
	}
}

// refusal reads the number of what is refused, and why.
func (m *message) refusal(b []byte) {
	c := wire.New(b)
	for c.Len() > 0 {
		t, content := element(&c)
		switch {
		case t == 0x80 && !m.invoked:
			m.invoke, m.invoked = integer(content)
		case t == 0xa2 || t == 0xa1: // the error, with its class inside
			m.class = find(content, 0xa0)
		case t.first()&0xe0 == 0x80 && t != 0x80:
			m.class = b[c.Offset()-2-len(content) : c.Offset()]
		}
	}
	if c.Failed() {
		m.fail("%s of %d bytes", pdus[m.kind].name, len(b))
	}
}

// initiate reads what a side can do (ISO 9506-2, clause 8).
func (m *message) initiate(b []byte) {
	m.offer.there = true
	m.offer.size, _ = integer(find(b, 0x80))
	detail := find(b, 0xa4)
	m.offer.version, _ = integer(find(detail, 0x80))
	m.offer.services = hexadecimal(find(detail, 0x82))
}
