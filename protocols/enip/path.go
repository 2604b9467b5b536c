package enip

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// segmentKind is what a segment of a path stands for.
type segmentKind uint8

const (
	segPort segmentKind = iota
	segClass
	segInstance
	segMember
	segPoint
	segAttribute
	segService
	segKey
	segNetwork
	segSymbol
	segData
)

var segmentNames = [...]string{
	segPort: "port", segClass: "class", segInstance: "instance", segMember: "member", segPoint: "connection point",
	segAttribute: "attribute", segService: "service", segKey: "key", segNetwork: "network", segSymbol: "symbol", segData: "data",
}

// segment is one segment of an encoded path: a number, or bytes.
type segment struct {
	kind  segmentKind
	value uint32
	bytes []byte // link address, key, symbol or data
}

// logical maps the type of a logical segment (Volume 1, C-1.4.2) to its kind.
var logical = [8]segmentKind{segClass, segInstance, segMember, segPoint, segAttribute, segKey, segService, segKey}

// nextSegment reads one segment of a padded path (Volume 1, C-1.4). A segment of a type that is not defined makes the
// cursor fail.
func nextSegment(c *wire.Cursor) segment {
	b := c.U8()
	switch b >> 5 {
	case 0:
		return portSegment(c, b)
	case 1:
		s := segment{kind: logical[b>>2&7]}
		switch {
		case s.kind == segKey:
			if b != 0x34 {
				c.Fail()
				return s
			}
			format := c.U8()
			if format != 4 && format != 5 {
				c.Fail()
			}
			s.bytes = c.Bytes(8)
			if format == 5 { // with a serial number
				c.Skip(4)
			}
		case b&3 == 0:
			s.value = uint32(c.U8())
		case b&3 == 1:
			c.Skip(1)
			s.value = uint32(c.LE16())
		case b&3 == 2:
			c.Skip(1)
			s.value = c.LE32()
		default:
			c.Fail()
		}
		return s
	case 2:
		if b&0x10 == 0 {
			return segment{kind: segNetwork, value: uint32(c.U8())}
		}
		return segment{kind: segNetwork, bytes: c.Bytes(2 * int(c.U8()))}
	case 3:
		n := int(b & 0x1f)
		s := segment{kind: segSymbol, bytes: c.Bytes(n)}
		if n == 0 || n%2 == 0 && c.Len() > 0 { // the type and an even number of characters: a filler follows
			c.Skip(1)
		}
		return s
	case 4:
		switch b {
		case 0x80:
			return segment{kind: segData, bytes: c.Bytes(2 * int(c.U8()))}
		case 0x91:
			n := int(c.U8())
			s := segment{kind: segSymbol, bytes: c.Bytes(n)}
			if n%2 == 1 && c.Len() > 0 {
				c.Skip(1)
			}
			return s
		}
	}
	c.Fail()
	return segment{}
}

// portSegment reads the way out of a device: a port and the address on the link behind it (Volume 1, C-1.4.1).
func portSegment(c *wire.Cursor, b byte) segment {
	start := c.Offset() - 1
	s := segment{kind: segPort, value: uint32(b & 0x0f)}
	size := 1
	if b&0x10 != 0 {
		size = int(c.U8())
	}
	if s.value == 15 {
		s.value = uint32(c.LE16())
	}
	s.bytes = c.Bytes(size)
	if (c.Offset()-start)%2 == 1 && c.Len() > 0 {
		c.Skip(1)
	}
	return s
}

// field tells which parts a path has.
type field uint8

const (
	hasClass field = 1 << iota
	hasInstance
	hasAttribute
	hasSymbol
	hasPoint
)

// target is what a path leads to.
type target struct {
	object    protocols.Object
	class     *class // of the last class segment; that of tags for a symbolic path, never nil
	has       field
	code      uint32 // of the class
	instance  uint32
	attribute uint32
	route     string // the ports and links that the path begins with: "1/0 2/10.0.0.5"
	hops      int    // how many
	odd       bool   // the path could not be read to its end
}

// nowhere is the target of a message whose path is not known.
var nowhere = target{class: &unknownClass}

const (
	maxTargets     = 512      // paths that a conversation remembers
	maxTargetBytes = 16 << 10 // and their bytes, which are about as many as those of the names
)

// targets remembers what paths lead to, so that a poll does not format names every time. The zero value is ready. A
// client that walks through more starts it afresh.
type targets struct {
	known  map[string]*target
	bytes  int
	resets uint64
}

// find gives what a path leads to.
func (s *targets) find(path []byte) *target {
	if t, ok := s.known[string(path)]; ok {
		return t
	}
	return s.keep(path, readTarget(path))
}

// name gives a name that is no path's, made where it is not known yet. The key has an odd number of octets, which no path
// has.
func (s *targets) name(key []byte, text func() string) string {
	t, ok := s.known[string(key)]
	if !ok {
		t = s.keep(key, &target{class: &unknownClass, object: protocols.Object{Name: text()}})
	}
	return t.object.Name
}

func (s *targets) keep(path []byte, t *target) *target {
	if len(s.known) >= maxTargets || s.bytes+len(path) > maxTargetBytes {
		s.known, s.bytes = nil, 0
		s.resets++
	}
	if s.known == nil {
		s.known = make(map[string]*target)
	}
	s.known[string(path)] = t
	s.bytes += len(path)
	return t
}

// readTarget reads a path. Its names are "Motor.Speed[3]" for tags and "Identity 1.7" for objects, or
// "class 0x72 instance 1 attribute 7" where the class has no name.
func readTarget(path []byte) *target {
	t := &target{class: &unknownClass}
	c := wire.New(path)
	var name []byte
	for c.Len() > 0 {
		s := nextSegment(&c)
		if c.Failed() {
			t.odd = true
			break
		}
		name = t.take(name, s)
	}
	switch {
	case len(name) == 0:
		return t
	case t.has&hasSymbol != 0:
		t.object = protocols.Object{Area: "tag", Name: string(name)}
	default:
		t.object = protocols.Object{Area: "cip", Name: string(name)}
	}
	return t
}

// take adds a segment to the target and to its name.
func (t *target) take(name []byte, s segment) []byte {
	tag := t.has&hasSymbol != 0
	switch s.kind {
	case segSymbol:
		if tag {
			name = append(name, '.')
		} else if len(name) > 0 {
			name = append(name, ' ')
		}
		t.has, t.class = t.has|hasSymbol, &tagClass
		return append(name, printable(s.bytes)...)
	case segClass:
		if len(name) > 0 {
			name = append(name, '/')
		}
		t.has, t.class = (t.has|hasClass)&^(hasInstance|hasAttribute), classOf(s.value)
		t.code = s.value
		return append(name, t.class.title(s.value)...)
	case segInstance:
		t.has, t.instance = t.has|hasInstance, s.value
		return strconv.AppendUint(append(name, t.class.words(" ", " instance ")...), uint64(s.value), 10)
	case segAttribute:
		t.has, t.attribute = t.has|hasAttribute, s.value
		return strconv.AppendUint(append(name, t.class.words(".", " attribute ")...), uint64(s.value), 10)
	case segMember:
		if n := len(name); tag && n > 0 && name[n-1] == ']' {
			name = append(name[:n-1], ',')
		} else {
			name = append(name, '[')
		}
		return append(strconv.AppendUint(name, uint64(s.value), 10), ']')
	case segPoint:
		t.has |= hasPoint
		return strconv.AppendUint(append(name, " point "...), uint64(s.value), 10)
	case segPort:
		if t.hops++; t.hops > 1 {
			t.route += " "
		}
		t.route += hop(s)
	}
	return name
}

// hop writes a port and a link: "1/0" is slot 0 of the backplane, "2/10.0.0.5" a station on Ethernet.
func hop(s segment) string {
	if len(s.bytes) == 1 {
		return fmt.Sprintf("%d/%d", s.value, s.bytes[0])
	}
	return fmt.Sprintf("%d/%s", s.value, printable(s.bytes))
}

// printable gives text from the wire as it may stand in a record.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, strings.TrimRight(string(b), "\x00 "))
}
