package modbus

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Detail is the detail field of a dissect record: the message's fields under the names that tshark's users know. A
// nil field is one that the message does not have.
type Detail struct {
	Transport     string            `json:"transport"` // "tcp", "udp" or "rtu-over-tcp"
	TransID       *uint16           `json:"trans_id,omitempty"`
	UnitID        *uint8            `json:"unit_id,omitempty"`
	Func          *uint8            `json:"func,omitempty"` // without the exception bit
	Exception     *uint8            `json:"exception,omitempty"`
	ExceptionName string            `json:"exception_name,omitempty"`
	Ref           *uint16           `json:"ref,omitempty"`
	Qty           *uint16           `json:"qty,omitempty"`
	ByteCnt       *uint16           `json:"byte_cnt,omitempty"`
	ReadRef       *uint16           `json:"read_ref,omitempty"`
	ReadQty       *uint16           `json:"read_qty,omitempty"`
	WriteRef      *uint16           `json:"write_ref,omitempty"`
	WriteQty      *uint16           `json:"write_qty,omitempty"`
	AndMask       *uint16           `json:"and_mask,omitempty"`
	OrMask        *uint16           `json:"or_mask,omitempty"`
	DiagSF        *uint16           `json:"diag_sf,omitempty"`
	MEI           *uint8            `json:"mei,omitempty"`
	ReadDevID     *uint8            `json:"read_dev_id,omitempty"`
	ObjectID      *uint8            `json:"object_id,omitempty"`    // the first one that is asked for
	Conformity    *uint8            `json:"conformity,omitempty"`   // level, and 128 if single objects can be read
	MoreFollows   *uint8            `json:"more_follows,omitempty"` // 255 when the next object is to be asked for
	NextObject    *uint8            `json:"next_object,omitempty"`
	Objects       map[string]string `json:"objects,omitempty"`
	CANopen       *CANopenObject    `json:"canopen,omitempty"`
	CommStatus    *uint16           `json:"comm_status,omitempty"` // of functions 11 and 12: 65535 while a command is in progress
	EventCount    *uint16           `json:"event_count,omitempty"`
	MessageCount  *uint16           `json:"message_count,omitempty"`
	Events        string            `json:"events,omitempty"` // hexadecimal, newest first
	Registers     []uint16          `json:"registers,omitempty"`
	Bits          []uint16          `json:"bits,omitempty"` // each 0 or 1
	File          []FileRecord      `json:"file,omitempty"`
	Data          string            `json:"data,omitempty"`      // hexadecimal: what has no field of its own
	UMASFunc      *uint8            `json:"umas_func,omitempty"` // in an answer the status byte
	PairingKey    *uint8            `json:"pairing_key,omitempty"`
	Status        string            `json:"status,omitempty"` // of a UMAS answer: "ok" or "error"
	RequestFrame  uint64            `json:"request_frame,omitempty"`
	FromRequest   bool              `json:"from_request,omitempty"` // some of the above are the request's
}

// CANopenObject is what function 43/13 accesses.
type CANopenObject struct {
	Node     uint8  `json:"node"`
	Index    uint16 `json:"index"`
	Subindex uint8  `json:"subindex"`
}

// FileRecord is a sub-request of functions 20 and 21.
type FileRecord struct {
	File   uint16 `json:"file"`
	Record uint16 `json:"record"`
	Length uint16 `json:"length"` // in registers
}

// detail builds the detail of a message. It keeps nothing of the wire's bytes.
func (m *message) detail(transport string, asked *request) *Detail {
	d := &Detail{
		Transport: transport, TransID: present(m, hasTransaction, m.transaction),
		UnitID: present(m, hasUnit, m.unit), Func: present(m, hasCode, m.code),
		Exception: present(m, hasException, m.exception), ByteCnt: present(m, hasByteCount, m.byteCount),
		AndMask: present(m, hasAnd, m.and), OrMask: present(m, hasOr, m.or),
		DiagSF: present(m, hasDiagnostic, m.diagnostic), MEI: present(m, hasMEI, m.mei),
		ReadDevID: present(m, hasReadDevice, m.readDevice), ObjectID: present(m, hasDeviceObject, m.deviceObject),
		Conformity: present(m, hasStream, m.conformity), MoreFollows: present(m, hasStream, m.more),
		NextObject: present(m, hasStream, m.next),
		UMASFunc:   present(m, hasUMAS, m.umas), PairingKey: present(m, hasUMAS, m.key),
	}
	d.addRanges(m.has, m.code, m.ref, m.qty, m.writeRef, m.writeQty)
	if asked != nil {
		d.RequestFrame = asked.frame
		missing := asked.has &^ m.has
		if m.code == 24 {
			missing &^= hasQty // the answer's own quantity is of other things
		}
		d.FromRequest = d.addRanges(missing, m.code, asked.ref, asked.qty, asked.writeRef, asked.writeQty)
	}
	m.addValues(d, asked)
	if asked != nil && d.File == nil && len(asked.records) > 0 {
		d.File, d.FromRequest = slices.Clone(asked.records), true
	}
	m.addStatus(d)
	if m.has&hasUMAS != 0 && m.isAnswer() {
		d.Status = umasStatus[m.umas]
	}
	return d
}

// addStatus sets what tells of the device itself, and what nobody but its vendor can read.
func (m *message) addStatus(d *Detail) {
	if m.has&hasException != 0 && int(m.exception) < len(exceptions) {
		d.ExceptionName = exceptions[m.exception]
	}
	if m.has&hasMEI != 0 && m.meaning.area == canopenWrite.area && !m.refused {
		d.CANopen = &CANopenObject{m.node, m.index, m.subindex}
	}
	if m.has&hasData != 0 {
		d.Data = hex.EncodeToString(m.data)
	}
	if counters := m.counters(); len(counters) >= 4 {
		setIf(true, &d.CommStatus, binary.BigEndian.Uint16(counters))
		setIf(true, &d.EventCount, binary.BigEndian.Uint16(counters[2:]))
		if len(counters) >= logHeader {
			setIf(true, &d.MessageCount, binary.BigEndian.Uint16(counters[4:]))
			d.Events = hex.EncodeToString(counters[logHeader:])
		}
	}
}

// counters gives the data of an answer of functions 11 and 12; nil for others.
func (m *message) counters() []byte {
	if m.refused || !m.isAnswer() || m.code != 11 && m.code != 12 {
		return nil
	}
	return m.data
}

// present gives a pointer to a copy of v if the message has the field.
func present[T uint8 | uint16](m *message, f field, v T) *T {
	if m.has&f == 0 {
		return nil
	}
	return &v
}

// addRanges sets the addresses and quantities named by has and reports whether there were any.
func (d *Detail) addRanges(has field, code uint8, ref, qty, writeRef, writeQty uint16) bool {
	if code == 23 {
		setIf(has&hasRef != 0, &d.ReadRef, ref)
		setIf(has&hasQty != 0, &d.ReadQty, qty)
	} else {
		setIf(has&hasRef != 0, &d.Ref, ref)
		setIf(has&hasQty != 0, &d.Qty, qty)
	}
	setIf(has&hasWriteRef != 0, &d.WriteRef, writeRef)
	setIf(has&hasWriteQty != 0, &d.WriteQty, writeQty)
	return has&(hasRef|hasQty|hasWriteRef|hasWriteQty) != 0
}

func setIf(condition bool, dst **uint16, v uint16) {
	if condition {
		*dst = &v
	}
}

// addValues sets registers, bits, objects and file records.
func (m *message) addValues(d *Detail, asked *request) {
	switch raw := m.carried.Raw; m.carried.Type {
	case protocols.ValueWords:
		d.Registers = appendRegisters(nil, raw)
	case protocols.ValueBits:
		for i := range m.bitCount(asked) {
			d.Bits = append(d.Bits, uint16(raw[i/8]>>(i%8)&1))
		}
	}
	switch {
	case m.refused:
	case m.code == 20 && m.isAnswer():
		d.Registers = m.readRegisters()
	case m.hasRecords():
		list := wire.New(m.data)
		for list.Len() > 0 {
			r, ok := nextRecord(&list, m.code == 21)
			if !ok {
				break
			}
			d.File = append(d.File, FileRecord{r.file, r.number, r.length})
			d.Registers = appendRegisters(d.Registers, r.words)
		}
	case m.has&hasMEI != 0 && m.mei == meiDeviceIdentification && m.isAnswer():
		m.eachObject(func(id uint8, value []byte) {
			if d.Objects == nil {
				d.Objects = map[string]string{}
			}
			d.Objects[strconv.Itoa(int(id))] = strings.ToValidUTF8(string(value), "\ufffd")
		})
	}
}

// bitCount says how many of the bits are meant; without a quantity, all.
func (m *message) bitCount(asked *request) int {
	n := 8 * len(m.carried.Raw)
	switch {
	case m.code == 5:
		return min(1, n)
	case m.has&hasQty != 0:
		return min(int(m.qty), n)
	case asked != nil && asked.has&hasQty != 0:
		return min(int(asked.qty), n)
	default:
		return n
	}
}
