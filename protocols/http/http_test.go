package http

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

func TestConformance(t *testing.T) {
	protocoltest.Run(t, Spec, "testdata", "GET", "HEAD", "POST", "PUT", "Response", "Page", "Form", "HTTP/2 Preface")
}

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }

// play hands the bytes of one side after the other to a conversation, and gives the events and the bytes of each depth.
func play(t testing.TB, c *conversation, turns ...string) (events []protocols.Event, depths [4]int) {
	t.Helper()
	for i, turn := range turns {
		from := protocols.Side(i % 2)
		for b := []byte(turn); len(b) > 0; {
			n := c.Next(from, b)
			if n <= 0 || n > len(b) {
				break
			}
			var err error
			events, err = c.Dissect(events, protocols.Message{From: from, Bytes: b[:n:n], Frame: uint64(i + 1), Transport: protocols.TransportTCP})
			if err != nil {
				t.Logf("turn %d: %v", i+1, err)
			}
			depths[c.Depth()] += n
			b = b[n:]
		}
	}
	return events, depths
}

func fact(events []protocols.Event, key protocols.FactKey) string {
	var all []string
	for _, e := range events {
		for _, f := range e.Facts {
			if f.Key == key {
				all = append(all, f.Value)
			}
		}
	}
	return strings.Join(all, "|")
}

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

func TestTitleOfACompressedPage(t *testing.T) {
	page := zipped("<html><head><TITLE lang=de>\n Wasserwerk &amp;\tPumpe 3 </title>" + strings.Repeat("x", 100<<10))
	size := len(page)
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n"
	for name, response := range map[string]string{
		"length":  head + "Content-Length: " + itoa(size) + "\r\n\r\n" + page,
		"chunked": head + "Transfer-Encoding: chunked\r\n\r\n5\r\n" + page[:5] + "\r\n" + hex(size-5) + ";x=y\r\n" + page[5:] + "\r\n0\r\n\r\n",
	} {
		events, _ := play(t, &conversation{}, "GET / HTTP/1.1\r\n\r\n", response)
		if got := fact(events, protocols.FactTitle); got != "Wasserwerk & Pumpe 3" {
			t.Errorf("%s: title %q in %+v", name, got, events)
		}
	}
}

// A page that inflates without end is inflated to the limit only.
func TestInflationIsBounded(t *testing.T) {
	bomb := zipped(strings.Repeat("\x00", 4<<20))
	if n := len(inflate([]byte(bomb))); n != maxInflated {
		t.Errorf("inflated to %d bytes, want %d", n, maxInflated)
	}
	if n := len(inflate([]byte(bomb[:100]))); n > maxInflated {
		t.Errorf("inflated what was cut off to %d bytes", n)
	}
}

func itoa(n int) string { return string(appendInt(nil, n, 10)) }
func hex(n int) string  { return string(appendInt(nil, n, 16)) }

func appendInt(dst []byte, n, base int) []byte {
	if n >= base {
		dst = appendInt(dst, n/base, base)
	}
	return append(dst, "0123456789abcdef"[n%base])
}

// What a conversation keeps does not grow with what passes.
func TestNothingGrows(t *testing.T) {
	c := &conversation{}
	for range 200 {
		play(t, c, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	if len(c.pending) != maxPending || c.Unanswered(false) != 200-maxPending || c.Unanswered(true) != maxPending {
		t.Errorf("%d requests are kept", len(c.pending))
	}
	c = &conversation{}
	play(t, c, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"+strings.Repeat("<b>", 1<<20))
	if g := c.sides[protocols.Server].glance; g.open() || cap(g.buf) > 0 {
		t.Errorf("%d bytes of a page without a title are kept", cap(g.buf))
	}
}

// A head that never ends is read to the limit, and what follows its end is read again.
func TestLongHead(t *testing.T) {
	long := "GET / HTTP/1.1\r\nCookie: " + strings.Repeat("c", 3*maxHead) + "\r\nX: y\r\n\r\n"
	events, _ := play(t, &conversation{}, long+"PUT /f HTTP/1.1\r\n\r\n")
	if len(events) != 2 || events[1].Action != protocols.ActionFile || events[1].Object.Name != "/f" {
		t.Errorf("got %+v", events)
	}
}

func TestPasswordsAreNotKept(t *testing.T) {
	const secret = "czNjcmV0" // base64
	events, _ := play(t, &conversation{}, "GET / HTTP/1.1\r\nAuthorization: Basic YWRtaW46czNjcmV0\r\n\r\n")
	for _, e := range events {
		for _, f := range e.Facts {
			if strings.Contains(f.Value, "s3cret") || strings.Contains(f.Value, secret) {
				t.Errorf("fact %+v", f)
			}
		}
	}
	if got := fact(events, protocols.FactUser); got != "admin" {
		t.Errorf("user %q", got)
	}
}

func TestSoftwareAndSystem(t *testing.T) {
	for agent, want := range map[string][2]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.1": {"Edg/120.0.1", "Windows NT 10.0"},
		"Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0":                                                      {"Firefox/115.0", "Linux"},
		"Mozilla/4.0 (compatible; MSIE 6.0; Windows CE; IEMobile 7.11)":                                                               {"MSIE 6.0", "Windows CE"},
		"curl/8.5.0": {"curl/8.5.0", ""},
	} {
		events, _ := play(t, &conversation{}, "GET / HTTP/1.1\r\nUser-Agent: "+agent+"\r\n\r\n")
		if a, s := fact(events, protocols.FactApplication), fact(events, protocols.FactOS); a != want[0] || s != want[1] {
			t.Errorf("%s: application %q, system %q", agent, a, s)
		}
	}
}

// Content that passes costs nothing.
func BenchmarkContent(b *testing.B) {
	c := &conversation{}
	play(b, c, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n")
	m := protocols.Message{From: protocols.Server, Bytes: make([]byte, 1460), Transport: protocols.TransportTCP}
	var dst []protocols.Event
	b.ReportAllocs()
	for b.Loop() {
		m.Bytes = m.Bytes[:c.Next(m.From, m.Bytes)]
		dst, _ = c.Dissect(dst[:0], m)
	}
}

func BenchmarkRequest(b *testing.B) {
	c := &conversation{}
	request := []byte("GET /awp/values.json?n=1 HTTP/1.1\r\nHost: 10.0.0.1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/115.0\r\n" +
		"Accept: */*\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\nCookie: siemens_ad_session=1234567890\r\n\r\n")
	response := []byte("HTTP/1.1 304 Not Modified\r\nDate: Mon, 02 Feb 2026 00:00:00 GMT\r\nServer: x\r\n\r\n")
	var dst []protocols.Event
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = c.Dissect(dst[:0], protocols.Message{From: protocols.Client, Bytes: request})
		dst, _ = c.Dissect(dst[:0], protocols.Message{From: protocols.Server, Bytes: response})
	}
}

// Behind a gap a side is read again from the next head that begins a segment; content that broke off is passed over, and
// what was a tunnel stays one.
func TestGap(t *testing.T) {
	c := &conversation{}
	play(t, c, "GET /a HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nthe beginning")
	c.Gap(protocols.Server)
	events, depths := play(t, c, "", "PUT /in/the/content HTTP/1.1\r\n", "PUT /b HTTP/1.1\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n\r\n")
	if len(events) != 2 || events[1].Action != protocols.ActionFile || events[1].Outcome != protocols.OutcomeRefused || depths[protocols.DepthRecognised] != 30 {
		t.Errorf("got %+v, depths %v", events, depths)
	}
	if c.Unanswered(true) != 0 {
		t.Error("a request whose answer may lie in the gap counts as unanswered")
	}
	c = &conversation{}
	play(t, c, "CONNECT a:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n")
	c.Gap(protocols.Client)
	if events, _ := play(t, c, "PUT /b HTTP/1.1\r\n\r\n"); len(events) != 0 {
		t.Errorf("events out of a tunnel: %+v", events)
	}
}
