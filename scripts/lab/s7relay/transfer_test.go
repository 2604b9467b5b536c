package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFrameAndParseAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := message{
			kind:      rapid.SampledFrom([]byte{job, ackData}).Draw(t, "kind"),
			reference: rapid.Uint16().Draw(t, "reference"),
			parameter: rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "parameter"),
			data:      rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data"),
		}
		if want.kind == ackData {
			want.fault = rapid.Uint16().Draw(t, "fault")
		}
		got, ok := parse(want.frame())
		if !ok || got.kind != want.kind || got.reference != want.reference || got.fault != want.fault ||
			!bytes.Equal(got.parameter, want.parameter) || !bytes.Equal(got.data, want.data) {
			t.Fatalf("parse(frame(%+v)) = %+v, %v", want, got, ok)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(message{kind: job, parameter: []byte{0x1A}}.frame())
	f.Add(message{kind: ackData, parameter: []byte{0x1B, 1}, data: []byte{0, 1, 0, 0xFB, 9}}.frame())
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, ok := parse(frame)
		fileName(m.parameter)
		if ok && len(m.parameter) == 0 {
			t.Error("a message without function was accepted")
		}
	})
}

// A plc is the client's end of a relayed connection whose server is silent.
type plc struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// dial starts a relay for one connection; serverGot delivers what passed to the server once the client hung up.
func dial(t *testing.T, blocks *store) (p *plc, serverGot func() []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	passed := make(chan []byte, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			passed <- nil
			return
		}
		all, _ := io.ReadAll(conn)
		conn.Close()
		passed <- all
	}()
	near, far := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- serve(far, l.Addr().String(), nil, blocks) }()
	hangUp := func() []byte {
		near.Close()
		<-ended
		all := <-passed
		l.Close()
		return all
	}
	return &plc{t, near, bufio.NewReader(near)}, hangUp
}

func (p *plc) send(m message) {
	p.t.Helper()
	if _, err := p.conn.Write(m.frame()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plc) receive() message {
	p.t.Helper()
	frame, err := readFrame(p.in)
	if err != nil {
		p.t.Fatal(err)
	}
	m, ok := parse(frame)
	if !ok {
		p.t.Fatalf("not S7: % x", frame)
	}
	return m
}

// expect receives a message of this kind and function and returns it.
func (p *plc) expect(kind, function byte) message {
	p.t.Helper()
	m := p.receive()
	if m.kind != kind || m.parameter[0] != function {
		p.t.Fatalf("got kind %d, function %#x; want %d, %#x", m.kind, m.parameter[0], kind, function)
	}
	return m
}

// named is the parameter of a request for a block: function, seven bytes, file name.
func named(function byte, name string) []byte {
	return append(append([]byte{function}, 0, 0, 0, 0, 0, 0, 0, byte(len(name))), name...)
}

func part(bytes []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(bytes))), append([]byte{0, 0xFB}, bytes...)...)
}

func TestWhatIsDownloadedIsUploaded(t *testing.T) {
	blocks := newStore()
	p, hangUp := dial(t, blocks)
	block := bytes.Repeat([]byte{1, 2, 3, 4, 5}, 90) // two parts and a bit

	p.send(message{kind: job, reference: 1, parameter: named(0x1A, "_0800001P")})
	p.expect(ackData, 0x1A)
	for rest := block; len(rest) > 0; {
		ask := p.expect(job, 0x1B)
		if fileName(ask.parameter) != "_0800001P" {
			t.Errorf("the PLC asks for %q", fileName(ask.parameter))
		}
		size := min(200, len(rest))
		state := byte(1)
		if size == len(rest) {
			state = 0
		}
		p.send(message{kind: ackData, reference: ask.reference, parameter: []byte{0x1B, state}, data: part(rest[:size])})
		rest = rest[size:]
	}
	ask := p.expect(job, 0x1C)
	p.send(message{kind: ackData, reference: ask.reference, parameter: []byte{0x1C}})
	p.send(message{kind: job, reference: 2, parameter: []byte("\x28\x00\x00\x00\x00\x00\x00\xfd\x00\x0a\x01\x000800001P\x05_INSE")})
	p.expect(ackData, 0x28)

	p.send(message{kind: job, reference: 3, parameter: named(0x1D, "_0800001A")})
	if start := p.expect(ackData, 0x1D); string(start.parameter[9:]) != "0000450" {
		t.Errorf("length %q, want 0000450", start.parameter[9:])
	}
	var got []byte
	for more := true; more; {
		p.send(message{kind: job, reference: 4, parameter: []byte{0x1E, 0, 0, 0, 0, 0, 0, uploadID}})
		m := p.expect(ackData, 0x1E)
		got = append(got, m.data[4:]...)
		more = m.parameter[1] != 0
	}
	p.send(message{kind: job, reference: 5, parameter: []byte{0x1F, 0, 0, 0, 0, 0, 0, uploadID}})
	p.expect(ackData, 0x1F)
	if diff := cmp.Diff(block, got); diff != "" {
		t.Errorf("block (-downloaded +uploaded):\n%s", diff)
	}
	if passed := hangUp(); len(passed) != 0 {
		t.Errorf("% x of the transfer passed to the server", passed)
	}
}

func TestUnknownBlockIsRefused(t *testing.T) {
	p, hangUp := dial(t, newStore())
	p.send(message{kind: job, parameter: named(0x1D, "_0B00007A")})
	if m := p.expect(ackData, 0x1D); m.fault != blockNotFound {
		t.Errorf("fault %#x, want %#x", m.fault, blockNotFound)
	}
	hangUp()
}

func TestEverythingElsePasses(t *testing.T) {
	p, hangUp := dial(t, newStore())
	want := message{kind: job, reference: 9, parameter: []byte{0x04, 1}}.frame()
	want = append(want, 3, 0, 0, 7, 2, 0xF0, 0x80) // and a frame that is no S7
	if _, err := p.conn.Write(want); err != nil {
		t.Fatal(err)
	}
	if got := hangUp(); !bytes.Equal(got, want) {
		t.Errorf("server got % x, want % x", got, want)
	}
}

func TestEndlessDownloadEnds(t *testing.T) {
	c := &conversation{client: discard{}, blocks: newStore(), download: "_0800001P"}
	m := message{kind: ackData, parameter: []byte{0x1B, 1}, data: part(make([]byte, 8000))}
	var err error
	for i := 0; i < 20 && err == nil; i++ {
		err = c.downloadBlock(m)
	}
	if err == nil || len(c.received) > maxBlock+8000 {
		t.Errorf("error %v with %d bytes kept", err, len(c.received))
	}
}

// discard is a connection whose writes go nowhere; nothing else of it is used.
type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func TestStoreIsBounded(t *testing.T) {
	s := newStore()
	for i := range 2 * maxBlocks {
		s.put("_0A"+decimal(i, 5)+"P", []byte{1})
	}
	if len(s.blocks) != maxBlocks {
		t.Errorf("%d blocks, want %d", len(s.blocks), maxBlocks)
	}
	s.put("_0800001P", []byte{42})
	if got := s.get("_0800001A"); !bytes.Equal(got, []byte{42}) {
		t.Errorf("a known block of a full store became % x", got)
	}
}

func TestReadFrameRefusesWhatIsNotTPKT(t *testing.T) {
	for name, in := range map[string]string{
		"version 4":               "\x04\x00\x00\x07abc",
		"length below its header": "\x03\x00\x00\x03abc",
		"cut":                     "\x03\x00\x00\x09ab",
	} {
		if _, err := readFrame(bufio.NewReader(bytes.NewReader([]byte(in)))); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestIdentityTextsHaveEqualLength(t *testing.T) {
	got, err := parseIdentity("AB=CD,EFG=HIJ")
	if diff := cmp.Diff(map[string]string{"AB": "CD", "EFG": "HIJ"}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for _, bad := range []string{"AB", "AB=C", "AB=CD,X"} {
		if _, err := parseIdentity(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
