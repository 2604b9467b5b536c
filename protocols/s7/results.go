package s7

import "encoding/binary"

// Transport sizes of a data item; those not named here count their length in bytes.
const (
	sizeBit  = 0x03
	sizeByte = 0x04
	sizeInt  = 0x05
)

// readAddresses reads the parameter of a read request: function, item count, items.
func readAddresses(_ *conversation, p *message, param, _ []byte) {
	if len(param) < 2 {
		p.addressed = true
		p.fail("variables in %d bytes", len(param))
		return
	}
	p.addresses(param[2:], int(param[1]))
}

// readWrites reads a write request: addresses as in a read, and a value for each in the data part.
func readWrites(c *conversation, p *message, param, data []byte) {
	readAddresses(c, p, param, data)
	if p.rosctr == rosctrJob {
		p.results(data)
	}
}

// readResults reads a read answer: a code and a value for each item of the request.
func readResults(_ *conversation, p *message) {
	p.resulted = true
	p.pair(p.resultCount())
	p.results(p.data)
}

// resultCount gives how many results an answer announces: as many as were asked for, if it does not say.
func (p *message) resultCount() int {
	if len(p.param) < 2 {
		p.fail("answer without a count in a parameter of %d bytes", len(p.param))
		return p.groups()
	}
	return int(p.param[1])
}

// readCodes reads a write answer: a code for each item of the request.
func readCodes(_ *conversation, p *message) {
	p.resulted = true
	count := p.resultCount()
	p.pair(count)
	if count > len(p.data) {
		p.fail("%d codes announced, %d are there", count, len(p.data))
	}
	p.codes(p.data)
}

// codes reads a code for each item, as far as they are there.
func (p *message) codes(data []byte) {
	for i := 0; i < len(p.items) && len(data) > 0; i += p.group(i) {
		p.setCode(i, data[0])
		data = data[1:]
	}
}

// pair keeps the request's items if the answer is about as many; else it makes room for results without addresses.
func (p *message) pair(count int) {
	if p.addressed && p.groups() == count {
		return
	}
	p.addressed = false
	clear(p.items)
	p.items = p.items[:0]
	for range count {
		p.items = append(p.items, item{span: 1})
	}
}

// groups gives how many results the items have.
func (p *message) groups() int {
	n := 0
	for i := 0; i < len(p.items); i += p.group(i) {
		n++
	}
	return n
}

// group gives how many items from i on share one result.
func (p *message) group(i int) int { return max(1, int(p.items[i].span)) }

func (p *message) setCode(i int, code uint8) {
	for n := range p.group(i) {
		p.items[i+n].code, p.items[i+n].coded = code, true
	}
}

// results reads a code and a value for each item: code, transport size, length, bytes, and a filler up to the next even
// place.
func (p *message) results(data []byte) {
	n := 0
	for i := 0; i < len(p.items); i += p.group(i) {
		if len(data) == 0 {
			p.fail("results of %d items announced, %d are there", len(p.items), n)
			p.clip(i)
			return
		}
		value, rest, ok := result(data)
		if !ok {
			p.fail("result %d of %d goes beyond the message", n+1, len(p.items))
			if p.cut {
				p.setCode(i, data[0])
				i += p.group(i)
			}
			p.clip(i)
			return
		}
		p.setCode(i, data[0])
		p.share(i, value)
		data = rest
		n++
	}
}

// clip forgets items that have neither address nor result.
func (p *message) clip(n int) {
	if !p.addressed {
		p.items = p.items[:n]
	}
}

// resultHeader is the length of what precedes a value: code, transport size, length.
const resultHeader = 4

// resultLen gives the length of the value, in bytes, that a result's header announces.
func resultLen(b []byte) int {
	length := int(binary.BigEndian.Uint16(b[2:]))
	if size := b[1]; size == sizeBit || size == sizeByte || size == sizeInt {
		return (length + 7) / 8
	}
	return length
}

// result reads the result that b begins with, of which the code must be there. That of a refused item has no value,
// whatever its length says, and may end after its code.
func result(b []byte) (value, rest []byte, ok bool) {
	if len(b) < resultHeader {
		return nil, nil, len(b) > 0
	}
	rest = b[resultHeader:]
	if b[0] != codeSuccess && b[0] != codeReserved {
		return nil, rest, true
	}
	n := resultLen(b)
	if n > len(rest) {
		return nil, nil, false
	}
	value, rest = rest[:n:n], rest[n:]
	if n%2 == 1 && len(rest) > 0 {
		rest = rest[1:]
	}
	return value, rest, true
}

// share gives the value to item i, or cuts it among the items that it is the result of.
func (p *message) share(i int, value []byte) {
	if p.items[i].syntax != syntaxDBRead {
		p.items[i].value = value
		return
	}
	for n := range p.group(i) {
		it := &p.items[i+n]
		size := min(int(it.count), len(value))
		it.value, value = value[:size:size], value[size:]
	}
}
