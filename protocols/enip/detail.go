package enip

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Detail is the detail of an encapsulation message. Fields that the message does not have are absent. The fields of the
// outermost CIP service stand beside those of the encapsulation; those that it carries are in services.
type Detail struct {
	Command       uint16 `json:"command"`
	CommandName   string `json:"command_name,omitempty"`
	Length        int    `json:"length"`
	SessionHandle uint32 `json:"session_handle"`
	Status        uint32 `json:"status"`
	StatusName    string `json:"status_name,omitempty"`
	SenderContext string `json:"sender_context"` // hexadecimal
	Options       uint32 `json:"options"`

	InterfaceHandle *uint32      `json:"interface_handle,omitempty"`
	Timeout         *uint16      `json:"timeout,omitempty"`
	Items           []DetailItem `json:"items,omitempty"`
	ConnectionID    *uint32      `json:"connection_id,omitempty"`
	SequenceNumber  *uint32      `json:"sequence_number,omitempty"`
	SequenceCount   *uint16      `json:"sequence_count,omitempty"`

	*DetailService
	Services []*DetailService `json:"services,omitempty"`
	Identity []DetailIdentity `json:"identity,omitempty"`

	RequestFrame uint64 `json:"request_frame,omitempty"`
}

// DetailItem is one item of the common packet format.
type DetailItem struct {
	TypeID uint16 `json:"type_id"`
	Name   string `json:"name,omitempty"`
	Length int    `json:"length"`
	Socket string `json:"socket_address,omitempty"`
}

// DetailService is one CIP service. The path of an answer is its request's.
type DetailService struct {
	Service     uint8  `json:"service"` // without the bit of an answer
	ServiceName string `json:"service_name"`
	Response    bool   `json:"response"`

	Path      string  `json:"path,omitempty"` // segments: "class 0x01 instance 1"
	Class     *uint32 `json:"class,omitempty"`
	ClassName string  `json:"class_name,omitempty"`
	Instance  *uint32 `json:"instance,omitempty"`
	Attribute *uint32 `json:"attribute,omitempty"`
	Symbol    string  `json:"symbol,omitempty"`
	Route     string  `json:"route_path,omitempty"`

	GeneralStatus     *uint8   `json:"general_status,omitempty"`
	GeneralStatusName string   `json:"general_status_name,omitempty"`
	AdditionalStatus  []uint16 `json:"additional_status,omitempty"`

	DataType   string            `json:"data_type,omitempty"`
	Elements   *uint16           `json:"elements,omitempty"`
	Offset     *uint32           `json:"offset,omitempty"`
	Data       string            `json:"data,omitempty"` // the first octets behind the path, hexadecimal
	Connection *DetailConnection `json:"connection,omitempty"`
	PCCC       *DetailPCCC       `json:"pccc,omitempty"`
}

// DetailConnection is what Forward_Open, its answer and Forward_Close say.
type DetailConnection struct {
	OTConnectionID     *uint32 `json:"o_t_connection_id,omitempty"`
	TOConnectionID     *uint32 `json:"t_o_connection_id,omitempty"`
	SerialNumber       uint16  `json:"connection_serial_number"`
	OriginatorVendorID uint16  `json:"originator_vendor_id"`
	OriginatorSerial   uint32  `json:"originator_serial_number"`
	OTInterval         *uint32 `json:"o_t_rpi,omitempty"` // microseconds
	TOInterval         *uint32 `json:"t_o_rpi,omitempty"`
	OTParameters       *uint32 `json:"o_t_parameters,omitempty"`
	TOParameters       *uint32 `json:"t_o_parameters,omitempty"`
	TransportTrigger   *uint8  `json:"transport_class_trigger,omitempty"`
	ConnectionPath     string  `json:"connection_path,omitempty"`
}

// DetailPCCC is a PCCC message.
type DetailPCCC struct {
	VendorID       uint16 `json:"requestor_vendor_id"`
	SerialNumber   uint32 `json:"requestor_serial_number"`
	Command        uint8  `json:"command"`
	Status         uint8  `json:"status"`
	StatusName     string `json:"status_name,omitempty"`
	ExtendedStatus *uint8 `json:"extended_status,omitempty"`
	Transaction    uint16 `json:"transaction"`
	Function       *uint8 `json:"function,omitempty"`
}

// DetailIdentity is a device that answers ListIdentity.
type DetailIdentity struct {
	Version       uint16 `json:"encapsulation_version"`
	SocketAddress string `json:"socket_address"`
	VendorID      uint16 `json:"vendor_id"`
	VendorName    string `json:"vendor_name,omitempty"`
	DeviceType    uint16 `json:"device_type"`
	DeviceName    string `json:"device_type_name,omitempty"`
	ProductCode   uint16 `json:"product_code"`
	Revision      string `json:"revision"`
	Status        uint16 `json:"device_status"`
	SerialNumber  uint32 `json:"serial_number"`
	ProductName   string `json:"product_name"`
	State         uint8  `json:"state"`
}

// maxShown is how many octets of a service's data the detail shows.
const maxShown = 64

func ptr[T any](v T) *T { return &v }

// detail copies what a message says.
func (d *conversation) detail(h header, cmd *command, data []byte, answers uint64) *Detail {
	out := &Detail{
		Command: h.command, Length: h.length, SessionHandle: h.session, Status: h.status, Options: h.options,
		StatusName: encapsulationStatus[h.status], SenderContext: fmt.Sprintf("%016x", h.context), RequestFrame: answers,
	}
	if cmd == nil {
		return out
	}
	out.CommandName = cmd.name
	p := &d.packet
	if cmd.packet && len(data) >= 6 {
		out.InterfaceHandle = ptr(binary.LittleEndian.Uint32(data))
		out.Timeout = ptr(binary.LittleEndian.Uint16(data[4:]))
	}
	out.items(p)
	switch {
	case len(d.outer) > 0:
		out.DetailService = d.outer[0].detail()
		for i := range d.outer[1:] {
			out.Services = append(out.Services, d.outer[1+i].detail())
		}
		for i := range d.calls {
			out.Services = append(out.Services, d.calls[i].detail())
		}
	case len(d.calls) > 0:
		out.DetailService = d.calls[0].detail()
	}
	return out
}

// items copies the items and what they say.
func (out *Detail) items(p *packet) {
	for _, it := range p.items[:p.n] {
		shown := DetailItem{TypeID: it.kind, Name: itemNames[it.kind], Length: len(it.data)}
		switch it.kind {
		case itemSocketOT, itemSocketTO:
			shown.Socket = readSocket(it.data).String()
		case itemConnectedAddress:
			out.ConnectionID = ptr(p.connection)
		case itemSequencedAddress:
			out.ConnectionID, out.SequenceNumber = ptr(p.connection), ptr(p.number)
		case itemIdentity:
			if id, ok := readIdentityItem(it.data); ok {
				out.Identity = append(out.Identity, id.detail())
			}
		}
		out.Items = append(out.Items, shown)
	}
	if p.connected {
		out.SequenceCount = ptr(p.sequence)
	}
}

func (it identityItem) detail() DetailIdentity {
	return DetailIdentity{
		Version: it.version, SocketAddress: it.socket.String(), VendorID: it.vendor, VendorName: vendors[it.vendor],
		DeviceType: it.device, DeviceName: deviceTypes[it.device].name, ProductCode: it.product,
		Revision: fmt.Sprintf("%d.%d", it.major, it.minor), Status: it.status, SerialNumber: it.serial,
		ProductName: printable(it.name), State: it.state,
	}
}

// detail copies what a service says.
func (c *call) detail() *DetailService {
	out := &DetailService{Service: c.code, Response: c.answer, ServiceName: c.named()}
	if c.via != nil {
		out.Route = c.via.route
	}
	out.path(c.target, c.path)
	out.Data = hex.EncodeToString(c.data[:min(len(c.data), maxShown)])
	if c.answer {
		out.GeneralStatus, out.GeneralStatusName = ptr(c.status), generalStatus[c.status]
		for extra := c.extra; len(extra) >= 2; extra = extra[2:] {
			out.AdditionalStatus = append(out.AdditionalStatus, binary.LittleEndian.Uint16(extra))
		}
		if c.known && c.done() {
			c.answerDetail(out)
		}
		return out
	}
	c.requestDetail(out)
	return out
}

// named gives the name of the service on the wire: an answer of the router on the way names the carrier, and PCCC is one
// service with many functions.
func (c *call) named() string {
	switch {
	case c.row.data == dataPCCC:
		return serviceOf(c.target, c.code).title()
	case c.code != c.service && c.code == svcUnconnectedSend:
		return "Unconnected_Send"
	default:
		return c.row.title()
	}
}

// path writes the segments of a request's path, and what they come to; an answer has what its request came to.
func (out *DetailService) path(t *target, path []byte) {
	out.Path = pathText(path)
	if t.has&hasClass != 0 {
		out.Class, out.ClassName = ptr(t.code), t.class.name
	}
	if t.has&hasInstance != 0 {
		out.Instance = ptr(t.instance)
	}
	if t.has&hasAttribute != 0 {
		out.Attribute = ptr(t.attribute)
	}
	if t.has&hasSymbol != 0 {
		out.Symbol = t.object.Name
	}
}

// pathText writes the segments of a path.
func pathText(path []byte) string {
	var words []string
	c := wire.New(path)
	for c.Len() > 0 {
		s := nextSegment(&c)
		if c.Failed() {
			break
		}
		words = append(words, s.String())
	}
	return strings.Join(words, " ")
}

// String writes a segment for people.
func (s segment) String() string {
	switch s.kind {
	case segPort:
		return "port " + hop(s)
	case segClass:
		return fmt.Sprintf("class 0x%02X", s.value)
	case segSymbol:
		return "symbol " + printable(s.bytes)
	case segKey, segData, segNetwork:
		if s.bytes != nil {
			return fmt.Sprintf("%s %x", segmentNames[s.kind], s.bytes)
		}
	}
	return fmt.Sprintf("%s %d", segmentNames[s.kind], s.value)
}

func (c *call) requestDetail(out *DetailService) {
	switch c.row.data {
	case dataRead:
		if r, ok := readTagRead(c.service, c.data); ok {
			out.Elements = ptr(r.count)
			if c.service == 0x52 {
				out.Offset = ptr(r.offset)
			}
		}
	case dataWrite:
		if w, ok := readTagWrite(c.service, c.data); ok {
			out.Elements, out.DataType = ptr(w.count), w.kind.name()
			if c.service == 0x53 {
				out.Offset = ptr(w.offset)
			}
		}
	case dataOpen:
		if o, ok := readOpening(c.service, c.data); ok {
			out.Connection = &DetailConnection{
				OTConnectionID: ptr(o.asks), TOConnectionID: ptr(o.answers), SerialNumber: o.serial, OriginatorVendorID: o.vendor,
				OriginatorSerial: o.originator, OTInterval: ptr(o.asksInterval), TOInterval: ptr(o.answersInt),
				OTParameters: ptr(o.asksParams), TOParameters: ptr(o.answersParams), TransportTrigger: ptr(o.transport),
				ConnectionPath: pathText(o.path),
			}
		}
	case dataClose:
		if o, ok := readClosing(c.data); ok {
			out.Connection = &DetailConnection{
				SerialNumber: o.serial, OriginatorVendorID: o.vendor, OriginatorSerial: o.originator, ConnectionPath: pathText(o.path),
			}
		}
	case dataPCCC:
		if p, ok := readPCCC(c.data, false); ok {
			out.PCCC = p.detail()
		}
	}
}

func (c *call) answerDetail(out *DetailService) {
	switch c.row.data {
	case dataRead:
		cur := wire.New(c.data)
		out.DataType = readType(&cur).name()
	case dataOpen:
		if o, ok := readOpened(c.data); ok {
			out.Connection = &DetailConnection{
				OTConnectionID: ptr(o.asks), TOConnectionID: ptr(o.answers), SerialNumber: o.serial, OriginatorVendorID: o.vendor,
				OriginatorSerial: o.originator, OTInterval: ptr(o.asksInterval), TOInterval: ptr(o.answersInt),
			}
		}
	case dataPCCC:
		if p, ok := readPCCC(c.data, true); ok {
			out.PCCC = p.detail()
		}
	}
}

func (p pccc) detail() *DetailPCCC {
	out := &DetailPCCC{
		VendorID: p.vendor, SerialNumber: p.serial, Command: p.command, Status: p.status, StatusName: pcccStatus[p.status&0xf0],
		Transaction: p.transaction,
	}
	if p.function != noFunction {
		out.Function = ptr(p.function)
	}
	if p.status == pcccExtended {
		out.ExtendedStatus = ptr(p.extended)
	}
	return out
}

// StreamDetail is the detail of the message of an I/O connection.
type StreamDetail struct {
	ConnectionID   uint32       `json:"connection_id"`
	SequenceNumber uint32       `json:"sequence_number"`
	Items          []DetailItem `json:"items"`
}

func streamDetail(b []byte) *StreamDetail {
	le := binary.LittleEndian
	return &StreamDetail{
		ConnectionID: le.Uint32(b[6:]), SequenceNumber: le.Uint32(b[10:]),
		Items: []DetailItem{
			{TypeID: itemSequencedAddress, Name: itemNames[itemSequencedAddress], Length: 8},
			{TypeID: itemConnectedData, Name: itemNames[itemConnectedData], Length: int(le.Uint16(b[16:]))},
		},
	}
}
