package protocoltest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/spanwatch/spanwatch/protocols"
)

// The toy protocol: a5, length of the whole message, 1 (question) or 2 (answer), text.
var toy = protocols.Spec{
	Name:   "toy",
	Probe:  toyProbe,
	Length: toyLength,
	New:    func() protocols.Dissector { return &toyDissector{} },
}

func toyProbe(_ protocols.Transport, b []byte) protocols.Match {
	switch {
	case len(b) > 0 && b[0] != 0xa5, len(b) > 1 && b[1] < 3, len(b) > 2 && b[2] != 1 && b[2] != 2:
		return protocols.No
	case len(b) < 3:
		return protocols.More
	case b[2] == 1:
		return protocols.YesClient
	default:
		return protocols.YesServer
	}
}

func toyLength(b []byte) int {
	switch {
	case len(b) < 2:
		return 0
	case b[0] != 0xa5 || b[1] < 3:
		return -1
	default:
		return int(b[1])
	}
}

type toyDissector struct{}

func (*toyDissector) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	if len(m.Bytes) < 3 {
		return dst, fmt.Errorf("toy: %w: %d bytes", protocols.ErrMalformed, len(m.Bytes))
	}
	e := protocols.Event{From: m.From, Message: "Toy", Values: protocols.Values{Type: protocols.ValueBytes, Raw: m.Bytes[3:]}}
	if m.Detail {
		e.Detail = struct {
			Kind byte `json:"kind"`
		}{m.Bytes[2]}
	}
	return append(dst, e), nil
}

func (*toyDissector) Gap(protocols.Side) {}

const toyCase = `# Two exchanges. Invented.
> client hot
a5 06 01 "abc"
< server hot
a5 04 02 00*1
> client
a5 04 01 41
< server
a5 03 02
`

func parse(t *testing.T, text string) Case {
	t.Helper()
	c, err := Parse("case", text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSoundProtocolPasses(t *testing.T) {
	c := parse(t, toyCase)
	for _, check := range checks {
		if err := check.run(toy, c); err != nil {
			t.Errorf("%s: %v", check.name, err)
		}
	}
	f, err := whole(toy, c, true)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"frame":1,"from":"client","message":"Toy","action":"none","outcome":"unknown","values":"616263","detail":{"kind":1}}`
	if len(f.lines) != 4 || f.lines[0] != want {
		t.Errorf("got %d events, first %s", len(f.lines), f.lines[0])
	}
	if err := fuzzOne(toy, c, []byte{2}); err != nil {
		t.Errorf("fuzz: %v", err)
	}
}

// twisted is a dissector whose behaviour is a function.
type twisted struct {
	dissect func(d *twisted, dst []protocols.Event, m protocols.Message) ([]protocols.Event, error)
	calls   int
	broken  bool
}

func (d *twisted) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	return d.dissect(d, dst, m)
}

func (d *twisted) Gap(protocols.Side) { d.broken = true }

func twist(f func(d *twisted, dst []protocols.Event, m protocols.Message) ([]protocols.Event, error)) protocols.Spec {
	s := toy
	s.New = func() protocols.Dissector { return &twisted{dissect: f} }
	return s
}

func sound(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	return (&toyDissector{}).Dissect(dst, m)
}

var sink []byte

// Each fault that a protocol may have is found by the check that is there for it.
func TestFaultsAreFound(t *testing.T) {
	impatient, wrongSide, unstable := toy, toy, toy
	impatient.Probe = func(tr protocols.Transport, b []byte) protocols.Match {
		if len(b) == 2 {
			return protocols.No
		}
		return toyProbe(tr, b)
	}
	wrongSide.Probe = func(tr protocols.Transport, b []byte) protocols.Match {
		if m := toyProbe(tr, b); m != protocols.YesServer {
			return m
		}
		return protocols.YesClient
	}
	unstable.Length = func(b []byte) int {
		if len(b) > 4 {
			return 5
		}
		return toyLength(b)
	}
	for name, fault := range map[string]struct {
		spec  protocols.Spec
		check func(protocols.Spec, Case) error
		want  string
	}{
		"refuses a beginning":   {impatient, checkProbe, "first 2 bytes"},
		"names the wrong side":  {wrongSide, checkProbe, "message of the server"},
		"changes its length":    {unstable, checkLength, "becomes"},
		"depends on the cuts":   {unstable, checkCuts, "events differ"},
		"borrows a string":      {twist(borrowing), checkBorrowing, "keeps hold"},
		"changes with detail":   {twist(changing), checkDetail, "differ without Detail"},
		"gives detail unasked":  {twist(unasked), checkDetail, "without being asked"},
		"loses what it was fed": {twist(replacing), checkBorrowing, "not appended"},
		"another error":         {twist(failing), checkTruncated, "ErrMalformed"},
		"floods":                {twist(flooding), checkTruncated, "events from a message"},
		"needs the beginning":   {twist(late), checkMidStream, "gives no event"},
		"stays broken":          {twist(broken), checkGap, "gives no event"},
		"allocates":             {twist(allocating), checkAllocations, "allocations"},
	} {
		err := fault.check(fault.spec, parse(t, toyCase))
		if err == nil || !strings.Contains(err.Error(), fault.want) {
			t.Errorf("%s: got %v, want …%s…", name, err, fault.want)
		}
	}
}

func borrowing(_ *twisted, dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	return append(dst, protocols.Event{Message: unsafe.String(&m.Bytes[0], len(m.Bytes))}), nil
}

func changing(_ *twisted, dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	return append(dst, protocols.Event{Message: fmt.Sprint(m.Detail)}), nil
}

func unasked(_ *twisted, dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	m.Detail = true
	return sound(dst, m)
}

func replacing(_ *twisted, dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	return sound(dst[:0], m)
}

func failing(_ *twisted, dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	if len(m.Bytes) < 3 {
		return dst, errors.New("short")
	}
	return sound(dst, m)
}

func flooding(_ *twisted, dst []protocols.Event, _ protocols.Message) ([]protocols.Event, error) {
	return append(dst, make([]protocols.Event, 100)...), nil
}

// late understands an answer only when it saw the question, and a question only as its first message.
func late(d *twisted, dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	if d.calls++; d.calls == 2 {
		return dst, nil
	}
	return sound(dst, m)
}

func broken(d *twisted, dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	if d.broken {
		return dst, nil
	}
	return sound(dst, m)
}

func allocating(_ *twisted, dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	sink = append([]byte(nil), m.Bytes...)
	return sound(dst, m)
}

func TestBadCasesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"> client\n00":                     "1: no comment",
		"# Invented.\n":                    "1: no block",
		"# Invented.\n> client\n":          "2: block without bytes",
		"# Invented.\n> server\n00":        "2: a block begins",
		"# Invented.\n> client fast\n00":   "2: unknown mark \"fast\"",
		"# Invented.\n> client\n0":         "3: bytes \"0\"",
		"# Invented.\n> client\n00*x":      "3: repetition \"x\"",
		"# Invented.\n> client\n\"open":    "3: text without closing quote",
		"# Invented.\nfragile\n> client\n": "2: unknown option",
	} {
		if _, err := Parse("case", text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s…", text, err, want)
		}
	}
}

func TestBytesOfACase(t *testing.T) {
	c := parse(t, "# Invented.\ntransport udp\n< server odd gap # why\n0102 03 # four\n\"a#b\\n\"ff*2\n")
	b := c.Blocks[0]
	if string(b.Bytes) != "\x01\x02\x03a#b\n\xff\xff" || !b.Odd || !b.Gap || b.Hot || b.From != protocols.Server {
		t.Errorf("got %+v", b)
	}
	if c.Transport != protocols.TransportUDP || c.Readme != "Invented.\n" {
		t.Errorf("got %+v", c)
	}
}
