package handshake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// ErrMalformed is wrapped by every error of this package.
var ErrMalformed = errors.New("malformed TLS")

// MaxMessage is how long a handshake message may be that is read; a longer one is named and passed over.
const MaxMessage = 32 << 10

// HeaderLen is the length of a record's header: content type, version, length (RFC 8446 §5.1).
const HeaderLen = 5

// maxRecord is the largest payload of a record, with what encryption may add (RFC 5246 §6.2.3).
const maxRecord = 1<<14 + 2048

// keepBuffer is how large a buffer stays with a side between messages.
const keepBuffer = 4 << 10

// Content types of records (RFC 8446 §5.1, RFC 6520).
const (
	ChangeCipherSpec = 20
	Alert            = 21
	Handshake        = 22
	ApplicationData  = 23
	Heartbeat        = 24
)

// RecordLength gives the length of the record at the start of b with its header, 0 when more bytes are needed to tell,
// and -1 when b cannot begin a record. Only records of application data may be empty.
func RecordLength(b []byte) int {
	if len(b) > 0 && (b[0] < ChangeCipherSpec || b[0] > Heartbeat) || len(b) > 1 && b[1] != 3 || len(b) > 2 && b[2] > 4 {
		return -1
	}
	if len(b) < HeaderLen {
		return 0
	}
	n := int(binary.BigEndian.Uint16(b[3:]))
	if n > maxRecord || n == 0 && b[0] != ApplicationData {
		return -1
	}
	return HeaderLen + n
}

// Session is what is known of one TLS connection. The zero value is ready.
type Session struct {
	sides   [2]side
	version uint16 // chosen by the server; 0 until its hello was seen
	cipher  uint16
	opened  bool // application data passed: an alert no longer refuses the connection
	policy  string
	told    *protocols.Security // as last reported
}

// side is where one sender is in its records.
type side struct {
	head   [HeaderLen]byte
	have   uint8  // bytes of head that are there
	kind   uint8  // content type of the present record
	left   int    // bytes of the present record still to come
	secret bool   // what this side sends is encrypted
	buf    []byte // handshake message or alert in progress
	skip   int    // bytes of a handshake message that is too long to be read
}

// Report is what a piece of one side's bytes told. It borrows nothing.
type Report struct {
	// Message names what the piece held: "Client Hello", "Server Hello, Certificate, Server Hello Done",
	// "Application Data". A piece in which nothing ends is called after its record: "Handshake fragment".
	Message string
	Action  protocols.Action
	Outcome protocols.Outcome
	// Facts are the client's fingerprint, and subject and issuer of a certificate.
	Facts []protocols.Fact
	// Security has mode "tls", the version and cipher suite chosen as policy, and Encrypted where all was encrypted.
	Security *protocols.Security
	// Detail is there if it was asked for and the piece told something.
	Detail *Detail
	// Err wraps [ErrMalformed] where the piece is no TLS, or a message breaks its specification.
	Err error
}

// Version and Cipher give what the server chose, 0 until its hello was seen.
func (s *Session) Version() uint16 { return s.version }

// Cipher gives the cipher suite that the server chose.
func (s *Session) Cipher() uint16 { return s.cipher }

// Partial reports whether a record of this side has begun and not ended.
func (s *Session) Partial(from protocols.Side) bool {
	return s.sides[from].left > 0 || s.sides[from].have > 0
}

// Gap tells that bytes of a side were lost. The next piece of this side is expected to begin with a record.
func (s *Session) Gap(from protocols.Side) {
	d := &s.sides[from]
	d.have, d.left, d.skip, d.buf = 0, 0, 0, d.buf[:0]
}

// Skip tells that n bytes of a side, which follow those read last, are not there. Records go on behind them where they end
// within the record at hand, which Skip reports; otherwise they are a gap. The message at hand is not read further.
func (s *Session) Skip(from protocols.Side, n int) bool {
	d := &s.sides[from]
	if d.have > 0 || n > d.left {
		s.Gap(from)
		return false
	}
	d.left -= n
	d.buf, d.skip = d.buf[:0], d.left
	return true
}

// Read takes the next bytes of a side. detail asks for [Report.Detail].
func (s *Session) Read(from protocols.Side, b []byte, detail bool) Report {
	r := reader{s: s, d: &s.sides[from], from: from, detail: detail}
	r.encrypted = true
	r.records(b)
	if r.report.Message == "" {
		r.report.Message = fragmentName(r.d.kind)
		r.encrypted = r.d.secret || r.d.kind == ApplicationData
	}
	s.told = s.told.Or(protocols.Security{Mode: "tls", Policy: s.policy, Encrypted: r.encrypted})
	r.report.Security = s.told
	return r.report
}

// reader is one call of Read.
type reader struct {
	s      *Session
	d      *side
	from   protocols.Side
	detail bool
	report Report
	// encrypted says that nothing in the piece could be read.
	encrypted bool
}

// records walks the records in b.
func (r *reader) records(b []byte) {
	d := r.d
	for len(b) > 0 {
		if d.left == 0 {
			n := copy(d.head[d.have:], b)
			d.have += uint8(n)
			size := RecordLength(d.head[:d.have])
			if size < 0 {
				r.report.Err = fmt.Errorf("handshake: %w: record begins % x", ErrMalformed, d.head[:d.have])
				d.have = 0
				r.name("Malformed Record", false)
				return
			}
			if b = b[n:]; size == 0 {
				d.kind = d.head[0]
				return
			}
			d.have, d.kind, d.left = 0, d.head[0], size-HeaderLen
			if d.kind != Handshake {
				d.buf, d.skip = d.buf[:0], 0 // a handshake message may not be interrupted (RFC 8446 §5.1)
			}
			if d.left == 0 {
				r.name("Application Data", false)
			}
			continue
		}
		n := min(d.left, len(b))
		d.left -= n
		r.payload(b[:n])
		b = b[n:]
	}
}

// payload takes the next bytes of the present record.
func (r *reader) payload(b []byte) {
	d := r.d
	ends := d.left == 0
	switch {
	case d.kind == ApplicationData:
		d.secret = true
		r.s.opened = r.s.opened || r.s.version != Version13 // of TLS 1.3 it may be the rest of the handshake
		r.name("Application Data", false)
	case d.kind == Heartbeat:
		r.name("Heartbeat", false)
	case d.kind == ChangeCipherSpec:
		// In TLS 1.3 this record means nothing, and a second hello may follow it (RFC 8446 appendix D.4).
		d.secret = r.s.version != Version13
		r.name("Change Cipher Spec", true)
	case d.kind == Alert && (d.secret || len(d.buf)+len(b)+d.left != 2):
		if ends {
			r.name("Encrypted Alert", false)
		}
	case d.kind == Alert:
		if d.buf = append(d.buf, b...); len(d.buf) >= 2 {
			r.alert(d.buf[0], d.buf[1])
			d.buf = d.buf[:0]
		}
	case d.secret:
		if ends {
			r.name("Encrypted Handshake Message", false)
		}
	default:
		r.handshake(b)
	}
}

// handshake takes the next bytes of handshake messages in the clear: type, 24-bit length, body (RFC 8446 §4).
func (r *reader) handshake(b []byte) {
	d := r.d
	for len(b) > 0 {
		if d.skip > 0 {
			n := min(d.skip, len(b))
			d.skip -= n
			b = b[n:]
			continue
		}
		if len(d.buf) == 0 && len(b) >= 4 {
			if n := 4 + int(uint24(b[1:])); n <= len(b) && r.plausible(b) {
				r.message(b[0], b[4:n])
				b = b[n:]
				continue
			}
		}
		want := 4
		if len(d.buf) >= 4 {
			want = 4 + int(uint24(d.buf[1:]))
		}
		n := min(want-len(d.buf), len(b))
		d.buf = append(d.buf, b[:n]...)
		b = b[n:]
		if len(d.buf) < 4 {
			return
		}
		if want == 4 && !r.plausible(d.buf) {
			d.secret, d.buf = true, d.buf[:0]
			r.name("Encrypted Handshake Message", false)
			return
		}
		r.buffered()
	}
}

// buffered handles the message in the buffer if it is whole, or too long ever to be.
func (r *reader) buffered() {
	d := r.d
	size := 4 + int(uint24(d.buf[1:]))
	switch {
	case size > 4+MaxMessage:
		r.name(MessageName(d.buf[0]), true)
		d.skip = size - 4
	case len(d.buf) == size:
		r.message(d.buf[0], d.buf[4:])
	default:
		return
	}
	if d.buf = d.buf[:0]; cap(d.buf) > keepBuffer {
		d.buf = nil
	}
}

// plausible judges the header of a handshake message: one joined late may be encrypted, and then looks like anything.
func (r *reader) plausible(b []byte) bool {
	if b[0] == helloRequest {
		return uint24(b[1:]) == 0 && r.from == protocols.Server && r.d.left == 0
	}
	return handshakeNames[b[0]] != "" && uint24(b[1:]) < 1<<18
}

// name notes that something ended in this piece.
func (r *reader) name(name string, text bool) {
	if text {
		r.encrypted = false
		if r.report.Action == protocols.ActionNone {
			r.report.Action = protocols.ActionConnect
		}
	}
	switch {
	case r.report.Message == "":
		r.report.Message = name
	case !strings.HasSuffix(r.report.Message, name) && len(r.report.Message) < maxText:
		r.report.Message += ", " + name
	}
}

// fail notes the first thing wrong.
func (r *reader) fail(err error) {
	if r.report.Err == nil {
		r.report.Err = err
	}
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
