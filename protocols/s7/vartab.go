package s7

import "github.com/spanwatch/spanwatch/protocols/wire"

// Variable tables are how engineering software watches and modifies variables: a list of short addresses, and for
// modifying a value for each. The result comes later, pushed under the job's number.

// vartabItem is the length of a short address: area and type, count or bit, data block, byte.
const vartabItem = 6

// vartabAreas maps the upper four bits of a short address to an area; vartabTypes the lower ones to a type.
var (
	vartabAreas = [16]uint8{0: 0x83, 1: 0x81, 2: 0x82, 3: 0x80, 5: areaTimer, 6: areaCounter, 7: areaDB}
	vartabTypes = [16]uint8{0: typeBit, 1: 0x02, 2: 0x04, 3: 0x06}
)

// readVarTab reads a request: the lengths of parameters and data, parameters, a count, addresses, values.
func readVarTab(_ *conversation, p *message, _, data []byte) {
	c := wire.New(data)
	parameters := int(c.U16())
	c.Skip(2)
	c.Skip(parameters)
	count := int(c.U16())
	if c.Failed() {
		return // a job's number alone, or nothing
	}
	p.addressed = true
	for n := range count {
		b := c.Bytes(vartabItem)
		if c.Failed() || n >= maxItems {
			p.fail("variable table of %d items, %d are there", count, n)
			return
		}
		p.newItem().shortAddress(b)
	}
	if p.ud.kind == udRequest && p.ud.sub == subModifyVariable {
		p.results(c.Rest())
	}
}

func (it *item) shortAddress(b []byte) {
	c := wire.New(b)
	code, count := c.U8(), c.U8()
	it.syntax, it.span, it.area, it.count = syntaxAny, 1, vartabAreas[code>>4], uint16(count)
	it.db, it.start = c.U16(), uint32(c.U16())
	switch {
	case it.numbered():
		it.typ = it.area // the types of timers and counters have the numbers of their areas
	case code&0x0f == 0:
		it.typ, it.bit, it.count = typeBit, count, 1
	default:
		it.typ = vartabTypes[code&0x0f]
	}
}

// answerVarTab reads what is pushed: the lengths of parameters and data, parameters, a count, and a result for each
// address; for modified variables only a code. The direct answer has no results.
func answerVarTab(_ *conversation, p *message) {
	c := wire.New(p.data)
	parameters := int(c.U16())
	c.Skip(2)
	c.Skip(parameters)
	count := int(c.U16())
	if c.Failed() {
		return
	}
	p.resulted = true
	p.pair(min(count, maxItems))
	if p.ud.sub == subVariableStatus {
		p.results(c.Rest())
		return
	}
	p.codes(c.Rest())
}

// readCyclic reads a request for values at intervals: a count, the interval's unit and length, addresses.
func readCyclic(_ *conversation, p *message, _, data []byte) {
	c := wire.New(data)
	c.Skip(1)
	count := int(c.U8())
	c.Skip(2)
	if c.Failed() {
		return
	}
	p.addresses(c.Rest(), count)
}

// answerCyclic reads the values that come at intervals: a count and a result for each address.
func answerCyclic(_ *conversation, p *message) {
	c := wire.New(p.data)
	c.Skip(1)
	count := int(c.U8())
	if c.Failed() {
		return
	}
	p.resulted = true
	p.pair(count)
	p.results(c.Rest())
}
