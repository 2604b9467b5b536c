package protocols

import (
	"net/netip"
	"time"
)

// Event is one deed on the wire: a request, or the answer to one. A dissector fills the first part, the pipeline the
// second. A message about several objects gives one event an object.
// Events are made by the million, sorted and copied: what few of them have stands behind a pointer, and small fields stand
// together.
type Event struct {
	From    Side
	Action  Action
	Outcome Outcome
	// Carrier marks a message of what carries the protocol, such as a transport connection: its label is not the
	// conversation's.
	Carrier bool
	// Continued marks a fragment of a message that completes later: it counts for the numbering of messages in a
	// frame and is not delivered.
	Continued bool
	// Cut marks what tells of the beginning of a message, or of one with a hole: the capture did not keep all of it. The
	// pipeline marks a message that is cut itself; a dissector does so for one of which an earlier part was.
	Cut      bool
	Ordinary bool   // filled by the pipeline: as the Spec says
	Source   uint16 // filled by the pipeline: index of the capture source (file or interface)

	Object  Object
	Message string // the specification's own name for the message
	Values  Values // the process values the message carries for Object
	Facts   []Fact // what the message discloses about a device; nil in the common case
	// Answers is the frame of the request that this message answers; 0 where it is none, or the request is not known.
	Answers uint64
	// Security is what the message tells of the conversation's protection; nil when it tells nothing. Events share it: once
	// told it never changes.
	Security *Security
	// Malformed is the reason why the message could not be read whole; empty when it was well formed.
	Malformed string
	// Detail is a protocol's own struct, marshalled into the detail field of a dissect record. Only the first event
	// of a message has one, and only if [Message.Detail] asked for it.
	Detail any
	// Protocol is the label of the protocol. A dissector tells it where one Spec carries several (S7comm and S7comm-plus on
	// ISO-on-TCP); elsewhere the pipeline fills in the Spec's Name.
	Protocol string

	// Filled by the pipeline.
	Time  time.Time // capture time of the frame that completed the message
	Frame uint64    // 1-based number of that frame in its source
	PDU   uint32    // 0-based index among the messages of this protocol completed by the frame
	Part  uint32    // 0-based index of the event within its message
	Conv  *Conversation
	// Fold is set where the event stands for several that were alike but for their times and frames. Frame and Answers
	// are those of the last of them; Time is when that was told, which may be a little later.
	Fold *Fold
}

// Fold is the events that one event stands for.
type Fold struct {
	Count       uint64 // at least 1
	First, Last time.Time
	At          uint64 // the frame at which it was told: its place among events
	// Latest are the times of the latest of them, at most [FoldLatest], ascending; the last is Last.
	Latest []time.Time
}

// FoldLatest is how many times a [Fold] keeps.
const FoldLatest = 12

// Moments yields the times of what the event stands for, ascending: all of them, or the latest [FoldLatest].
func (e *Event) Moments(yield func(time.Time) bool) {
	if e.Fold == nil {
		yield(e.Time)
		return
	}
	for _, at := range e.Fold.Latest {
		if !yield(at) {
			return
		}
	}
}

// Place gives the number of the frame by which the event is ordered.
func (e *Event) Place() uint64 {
	if e.Fold != nil {
		return e.Fold.At
	}
	return e.Frame
}

// Span gives for how many events this one stands, and when the first and the last of them were.
func (e *Event) Span() (n uint64, first, last time.Time) {
	if e.Fold != nil {
		return e.Fold.Count, e.Fold.First, e.Fold.Last
	}
	return 1, e.Time, e.Time
}

// Encrypted reports whether the message's content could not be read because it is encrypted.
func (e *Event) Encrypted() bool { return e.Security != nil && e.Security.Encrypted }

// Security is the protection of a conversation as seen on the wire.
type Security struct {
	Mode      string // "none", "sign", "sign-and-encrypt", "tls"; empty: not told
	Policy    string // the security policy's own name
	User      string // how the user identified: "anonymous", "username", "certificate", "issued"
	Encrypted bool   // this message's content could not be read because it is encrypted
}

// Or gives what says s: the receiver where it does, so that messages which tell the same share it; nil for a Security that
// tells nothing.
func (told *Security) Or(s Security) *Security {
	switch {
	case told != nil && *told == s:
		return told
	case s == Security{}:
		return nil
	default:
		kept := s
		return &kept
	}
}

// Fact is something a message discloses about a device.
type Fact struct {
	About      Side       // whose fact it is
	Addr       netip.Addr // set when the fact is about neither end of the conversation but about this address
	Key        FactKey
	Value      string
	Module     string // rack and slot ("0/2") or module name, when the fact is about a part of the device
	Confidence uint8  // per cent; 0 means 100
}

// FactKey names what a fact is about.
type FactKey string

// The facts that inventory understands.
const (
	FactVendor      FactKey = "vendor"
	FactModel       FactKey = "model"
	FactFirmware    FactKey = "firmware"
	FactHardware    FactKey = "hardware"
	FactSerial      FactKey = "serial"
	FactOrderNumber FactKey = "order-number"
	FactName        FactKey = "name" // the device's or station's own name
	FactRole        FactKey = "role" // a contracts.md device type: "plc", "hmi", "engineering-station", …
	FactMode        FactKey = "mode" // operating mode: "run", "stop", …
	FactApplication FactKey = "application"
	FactModule      FactKey = "module"  // a module in the rack: Value is its designation, Module its place
	FactPlant       FactKey = "plant"   // plant designation
	FactProduct     FactKey = "product" // by which its maker names the product: a URI
	FactURL         FactKey = "url"
	FactUser        FactKey = "user"
	FactProtection  FactKey = "protection" // protection level of a controller
	FactOS          FactKey = "os"
	FactFQDN        FactKey = "fqdn"        // fully qualified domain name; its first label is the device's name
	FactAdapter     FactKey = "adapter"     // what the network adapter is, where it tells nothing of the device's maker
	FactLocation    FactKey = "location"    // where the device stands, in its own words
	FactTitle       FactKey = "title"       // of the page that the device shows to a browser
	FactBanner      FactKey = "banner"      // what a service says of itself before anything is asked
	FactCertificate FactKey = "certificate" // the subject that a certificate names, as the device presents it
	FactIssuer      FactKey = "issuer"      // who issued that certificate
	FactJA4         FactKey = "ja4"         // fingerprint of how the device opens TLS as a client
)
