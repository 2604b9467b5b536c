package stream

import (
	"slices"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/capture/packet"
)

const (
	syn, ack, psh, rst, fin = packet.SYN, packet.ACK, packet.PSH, packet.RST, packet.FIN
	data                    = psh | ack
)

// handshake takes frames 1 to 3: the client's bytes begin at 101, the server's at 501.
var handshake = []step{
	{flags: syn, seq: 100},
	{back: true, flags: syn | ack, seq: 500, ack: 101},
	{flags: ack, seq: 101, ack: 501},
}

var tcpCases = []struct {
	name  string
	steps []step
	want  string // one call a line
}{
	{"handshake, request, answer, end", append(slices.Clone(handshake),
		step{flags: data, seq: 101, ack: 501, data: "ask"},
		step{back: true, flags: data, seq: 501, ack: 104, data: "tell"},
		step{flags: fin | ack, seq: 104, ack: 505},
		step{back: true, flags: fin | ack, seq: 505, ack: 105},
		step{flags: ack, seq: 105, ack: 506},
		step{flags: ack, seq: 105, ack: 506, at: 100}, // long after: another conversation
	), `
		open 1
		> "ask" of 4
		< "tell" of 5
		close finished
		open 9
		close end`},
	{"mid-stream, out of order, each with its own frame", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: data, seq: 1006, ack: 1, data: "dd"},
		{flags: data, seq: 1004, ack: 1, data: "cc"},
		{flags: data, seq: 1002, ack: 1, data: "bb"},
		{flags: data, seq: 1008, ack: 1, data: "ee"},
	}, `
		open 1
		> "aa" of 1
		> "bb" of 4
		> "cc" of 3
		> "dd" of 2
		> "ee" of 5
		close end`},
	{"the receiver acknowledges beyond the hole: the hole is given up at once", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: data, seq: 1007, ack: 1, data: "cc"},
		{back: true, flags: ack, seq: 1, ack: 1009},
		{flags: data, seq: 1002, ack: 1, data: "bbbbb"}, // too late
		{flags: data, seq: 1009, ack: 1, data: "dd"},
	}, `
		open 1
		> "aa" of 1
		> gap 5
		> "cc" of 2
		> "dd" of 5
		close end`},
	{"an acknowledgement within the hole gives up that part only", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: data, seq: 1006, ack: 1, data: "cc"},
		{back: true, flags: ack, seq: 1, ack: 1004},
		{flags: data, seq: 1004, ack: 1, data: "bb"},
	}, `
		open 1
		> "aa" of 1
		> gap 2
		> "bb" of 4
		> "cc" of 2
		close end`},
	{"a mirror port may show the acknowledgement before the data", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{back: true, flags: ack, seq: 1, ack: 1004},
		{flags: data, seq: 1002, ack: 1, data: "bb"},
	}, `
		open 1
		> "aa" of 1
		> "bb" of 3
		close end`},
	{"a missing request whose answer acknowledges it, known when the next request comes", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{back: true, flags: data, seq: 1, ack: 1004, data: "answer"},
		{flags: data, seq: 1004, ack: 7, data: "cc"},
	}, `
		open 1
		> "aa" of 1
		< "answer" of 2
		> gap 2
		> "cc" of 3
		close end`},
	{"everything twice, as a mirror of two ports shows it", []step{
		{flags: syn, seq: 100}, {flags: syn, seq: 100},
		{back: true, flags: syn | ack, seq: 500, ack: 101}, {back: true, flags: syn | ack, seq: 500, ack: 101},
		{flags: data, seq: 101, ack: 501, data: "ask"}, {flags: data, seq: 101, ack: 501, data: "ask"},
		{back: true, flags: data, seq: 501, ack: 104, data: "tell"}, {back: true, flags: data, seq: 501, ack: 104, data: "tell"},
		{flags: fin | ack, seq: 104, ack: 505}, {flags: fin | ack, seq: 104, ack: 505},
		{back: true, flags: fin | ack, seq: 505, ack: 105}, {back: true, flags: fin | ack, seq: 505, ack: 105},
	}, `
		open 1
		> "ask" of 5
		< "tell" of 7
		close end`},
	{"a repetition with different content: the first copy stands", []step{
		{flags: data, seq: 1000, ack: 1, data: "write 1"},
		{flags: data, seq: 1000, ack: 1, data: "write 9"},
		{flags: data, seq: 1004, ack: 1, data: "e 1 and more"},
	}, `
		open 1
		> "write 1" of 1
		> overlap in 2
		> " and more" of 3
		close end`},
	{"a different copy of what still waits", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: data, seq: 1004, ack: 1, data: "cc"},
		{flags: data, seq: 1002, ack: 1, data: "bbXX!"},
	}, `
		open 1
		> "aa" of 1
		> overlap in 3
		> "bb" of 3
		> "cc" of 2
		> "!" of 3
		close end`},
	{"sequence numbers wrap around", []step{
		{flags: data, seq: 0xfffffffe, ack: 1, data: "aa"},
		{flags: data, seq: 2, ack: 1, data: "cc"},
		{flags: data, seq: 0, ack: 1, data: "bb"},
		{flags: data, seq: 0xffffffff, ack: 1, data: "abbcc"},
	}, `
		open 1
		> "aa" of 1
		> "bb" of 3
		> "cc" of 2
		close end`},
	{"the SYN carries data", []step{
		{flags: syn, seq: 100, data: "fast"},
		{back: true, flags: syn | ack, seq: 500, ack: 105},
		{flags: data, seq: 105, ack: 501, data: "open"},
	}, `
		open 1
		> "fast" of 1
		> "open" of 3
		close end`},
	{"keep-alive probes, whatever their byte is", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: ack, seq: 1001, ack: 1, data: "\x00"},
		{flags: ack, seq: 1001, ack: 1},
		{flags: data, seq: 1002, ack: 1, data: "bb"},
	}, `
		open 1
		> "aa" of 1
		> "bb" of 4
		close end`},
	{"mid-stream begins with a keep-alive probe of one byte", []step{
		{flags: ack, seq: 1001, ack: 1, data: "\x00"},
		{flags: data, seq: 1002, ack: 1, data: "bb"},
	}, `
		open 1
		> "bb" of 2
		close end`},
	{"mid-stream begins with a keep-alive probe without a byte", []step{
		{flags: ack, seq: 1001, ack: 1},
		{flags: data, seq: 1002, ack: 1, data: "bb"},
	}, `
		open 1
		> "bb" of 2
		close end`},
	{"mid-stream begins with an acknowledgement, and data is lost", []step{
		{flags: ack, seq: 1000, ack: 1},
		{flags: data, seq: 1008, ack: 1, data: "bb"},
		{back: true, flags: ack, seq: 1, ack: 1010},
	}, `
		open 1
		> gap 8
		> "bb" of 2
		close end`},
	{"a zero-window probe is a byte like any other", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: ack, seq: 1002, ack: 1, data: "b"},
		{flags: data, seq: 1002, ack: 1, data: "bb"},
	}, `
		open 1
		> "aa" of 1
		> "b" of 2
		> "b" of 3
		close end`},
	{"a reset ends it, and late packets still belong to it", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{back: true, flags: rst, seq: 1},
		{flags: ack, seq: 1002, ack: 1},
		{flags: data, seq: 2000, ack: 1, data: "bb", at: 60},
	}, `
		open 1
		> "aa" of 1
		close finished
		open 4
		> "bb" of 4
		close end`},
	{"a reset far from the stream is not believed", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: rst, seq: 0x70000000},
		{flags: data, seq: 1002, ack: 1, data: "bb", at: 60},
	}, `
		open 1
		> "aa" of 1
		> "bb" of 3
		close end`},
	{"who goes on talking did not send that reset", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: rst, seq: 1002},
		{flags: data, seq: 1002, ack: 1, data: "bb"},
		{flags: data, seq: 1004, ack: 1, data: "cc", at: 60},
	}, `
		open 1
		> "aa" of 1
		> "bb" of 3
		> "cc" of 4
		close end`},
	{"a new SYN between the same ports is a new conversation", append(slices.Clone(handshake),
		step{flags: data, seq: 101, ack: 501, data: "aa"},
		step{flags: syn, seq: 9000},
		step{back: true, flags: syn | ack, seq: 7000, ack: 9001},
		step{flags: data, seq: 9001, ack: 7001, data: "bb"},
	), `
		open 1
		> "aa" of 4
		close reused
		open 5
		> "bb" of 7
		close end`},
	{"a refused connection tried again with the same number is one conversation", []step{
		{flags: syn, seq: 100},
		{back: true, flags: rst | ack, seq: 0, ack: 101},
		{flags: syn, seq: 100, at: 0.5},
		{back: true, flags: syn | ack, seq: 500, ack: 101, at: 0.6},
		{flags: data, seq: 101, ack: 501, data: "aa", at: 60},
		{back: true, flags: data, seq: 501, ack: 103, data: "bb", at: 70},
	}, `
		open 1
		> "aa" of 5
		< "bb" of 6
		close end`},
	{"the SYN comes after the data that follows it", []step{
		{flags: data, seq: 101, ack: 501, data: "aa"},
		{flags: syn, seq: 100},
		{flags: data, seq: 103, ack: 501, data: "bb"},
	}, `
		open 1
		> "aa" of 1
		> "bb" of 3
		close end`},
	{"the SYN comes after its answer", []step{
		{back: true, flags: syn | ack, seq: 500, ack: 101},
		{flags: syn, seq: 100},
		{flags: data, seq: 101, ack: 501, data: "aa"},
	}, `
		open 1
		< "aa" of 3
		close end`},
	{"a SYN thrown into a connection, and the challenge that answers it: the command behind it is still seen", append(slices.Clone(handshake),
		step{flags: data, seq: 101, ack: 501, data: "aa"},
		step{flags: syn, seq: 0x50000000},
		step{back: true, flags: ack, seq: 501, ack: 103},
		step{flags: data, seq: 103, ack: 501, data: "stop"},
	), `
		open 1
		> "aa" of 4
		close reused
		open 5
		> "stop" of 7
		close end`},
	{"a segment thrown in far from the stream does not take the place", append(slices.Clone(handshake),
		step{flags: data, seq: 101, ack: 501, data: "aa"},
		step{back: true, flags: ack, seq: 501, ack: 103},
		step{flags: data, seq: 0x50000000, ack: 501, data: "junk"},
		step{flags: data, seq: 103, ack: 501, data: "stop"},
	), `
		open 1
		> "aa" of 4
		> "stop" of 7
		close end`},
	{"after a long loss the stream goes on where acknowledgements say", append(slices.Clone(handshake),
		step{flags: data, seq: 101, ack: 501, data: "aa"},
		step{back: true, flags: ack, seq: 501, ack: 0x10000000},
		step{flags: data, seq: 0x10000000, ack: 501, data: "bb"},
	), `
		open 1
		> "aa" of 4
		> gap 268435353
		> "bb" of 6
		close end`},
	{"of one direction alone, two segments in a row bear each other out", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: data, seq: 0xa0000000, ack: 1, data: "bb"},
		{flags: data, seq: 0xa0000002, ack: 1, data: "cc"},
	}, `
		open 1
		> "aa" of 1
		> gap -1
		> "cc" of 3
		close end`},
	{"a segment cut by the capture: the rest is a gap once it is acknowledged", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa", missing: 6},
		{back: true, flags: data, seq: 1, ack: 1008, data: "answer"},
		{flags: data, seq: 1008, ack: 7, data: "bb", missing: 2},
		{back: true, flags: ack, seq: 7, ack: 1012},
	}, `
		open 1
		> "aa" of 1
		< "answer" of 2
		> gap 6
		> "bb" of 3
		> gap 2
		close end`},
	{"a segment that the capture cut: the next one continues behind what is missing, acknowledged or not", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa", missing: 6, cut: true},
		{flags: data, seq: 1008, ack: 1, data: "bb", missing: 2, cut: true},
		{flags: data, seq: 1000, ack: 1, data: "aa", missing: 6, cut: true},
		{flags: data, seq: 1012, ack: 1, data: "cc"},
		{flags: data, seq: 1014, ack: 1, missing: 5, cut: true},
		{flags: fin | data, seq: 1019, ack: 1, data: "dd", missing: 1, cut: true},
		{back: true, flags: fin | ack, seq: 1, ack: 1023},
	}, `
		open 1
		> "aa" of 1, cut by 6
		> "bb" of 2, cut by 2
		> "cc" of 4
		> "" of 5, cut by 5
		> "dd" of 6, cut by 1
		close end`},
	{"cut segments out of order: what another segment brought is not missing", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: data, seq: 1012, ack: 1, data: "dd", missing: 2, cut: true},
		{flags: data, seq: 1008, ack: 1, data: "cc"},
		{flags: data, seq: 1002, ack: 1, data: "bb", missing: 8, cut: true},
		{flags: data, seq: 1010, ack: 1, missing: 6, cut: true},
		{flags: data, seq: 1016, ack: 1, data: "ee"},
	}, `
		open 1
		> "aa" of 1
		> "bb" of 4, cut by 4
		> "cc" of 3
		> "" of 5, cut by 2
		> "dd" of 2, cut by 2
		> "ee" of 6
		close end`},
	{"what waits at the end is delivered behind its gap", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: data, seq: 1010, ack: 1, data: "cc"},
		{flags: data, seq: 1006, ack: 1, data: "bb"},
	}, `
		open 1
		> "aa" of 1
		> gap 4
		> "bb" of 3
		> gap 2
		> "cc" of 2
		close end`},
	{"a hole before the FIN", append(slices.Clone(handshake),
		step{flags: fin | ack, seq: 104, ack: 501},
		step{back: true, flags: ack, seq: 501, ack: 105},
	), `
		open 1
		> gap 3
		close end`},
	{"the FIN arrives before the data in front of it", append(slices.Clone(handshake),
		step{flags: fin | data, seq: 103, ack: 501, data: "bb"},
		step{flags: data, seq: 101, ack: 501, data: "aa"},
		step{back: true, flags: fin | ack, seq: 501, ack: 106},
		step{flags: ack, seq: 106, ack: 502, at: 60},
	), `
		open 1
		> "aa" of 5
		> "bb" of 4
		close finished
		open 7
		close end`},
	{"the last segment again, with its FIN", append(slices.Clone(handshake),
		step{flags: fin | data, seq: 101, ack: 501, data: "ab"},
		step{flags: fin | data, seq: 101, ack: 501, data: "ab"},
		step{flags: fin | data, seq: 101, ack: 501, data: "ax"},
	), `
		open 1
		> "ab" of 4
		> overlap in 6
		close end`},
	{"both sides end, and the last acknowledgement gives up the hole before the FIN", append(slices.Clone(handshake),
		step{flags: fin | data, seq: 103, ack: 501, data: "bb"},
		step{back: true, flags: fin | ack, seq: 501, ack: 106},
		step{back: true, flags: ack, seq: 502, ack: 106, at: 60},
	), `
		open 1
		> gap 2
		> "bb" of 4
		close finished
		open 6
		close end`},
	{"two SYNs cross", []step{
		{flags: syn, seq: 100},
		{back: true, flags: syn, seq: 500},
		{flags: syn | ack, seq: 100, ack: 501},
		{back: true, flags: syn | ack, seq: 500, ack: 101},
		{flags: data, seq: 101, ack: 501, data: "aa"},
	}, `
		open 1
		> "aa" of 5
		close end`},
	{"strays with the stream between them do not bear each other out", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: data, seq: 0xa0000000, ack: 1, data: "bb"},
		{flags: data, seq: 1002, ack: 1, data: "cc"},
		{flags: data, seq: 0xa0000002, ack: 1, data: "dd"},
		{flags: data, seq: 1004, ack: 1, data: "ee"},
	}, `
		open 1
		> "aa" of 1
		> "cc" of 3
		> "ee" of 5
		close end`},
	{"a new connection between the same ports whose handshake was not seen ends like any other", append(slices.Clone(handshake),
		step{flags: fin | data, seq: 101, ack: 501, data: "aa"},
		step{back: true, flags: ack, seq: 501, ack: 0x50000000},
		step{flags: data, seq: 0x50000000, ack: 501, data: "bb"},
		step{flags: data, seq: 0x50000000, ack: 501, data: "bb"},
		step{flags: fin | ack, seq: 0x50000002, ack: 501},
		step{back: true, flags: fin | ack, seq: 501, ack: 0x50000003},
		step{flags: ack, seq: 0x50000003, ack: 502, at: 60},
	), `
		open 1
		> "aa" of 4
		> gap 1342177176
		> "bb" of 6
		close finished
		open 10
		close end`},
	{"idle for longer than the timeout", []step{
		{flags: data, seq: 1000, ack: 1, data: "aa"},
		{flags: data, seq: 1002, ack: 1, data: "bb", at: 3600},
		{flags: data, seq: 1004, ack: 1, data: "cc", at: 7201},
	}, `
		open 1
		> "aa" of 1
		> "bb" of 2
		close expired
		open 3
		> "cc" of 3
		close end`},
}

// TestTCP feeds each case twice: without and with a sweep before every packet, which must change nothing.
func TestTCP(t *testing.T) {
	for _, c := range tcpCases {
		for _, sweep := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				r := &recorder{t: t}
				table := New(Config{}, r)
				for i, s := range c.steps {
					if sweep {
						table.Advance(s.time())
					}
					feed(table, uint64(i+1), s)
				}
				table.Close()
				var want []string
				for line := range strings.Lines(c.want) {
					if line = strings.TrimSpace(line); line != "" {
						want = append(want, line)
					}
				}
				if got := r.take(); !slices.Equal(got, want) {
					t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
				}
				if s := table.Stats(); s.Buffered != 0 || s.Tails != 0 || s.Conversations != 0 {
					t.Errorf("the closed table still holds %+v", s)
				}
			})
		}
	}
}

// TestConversation: what is told of a connection besides its bytes.
func TestConversation(t *testing.T) {
	run := func(steps ...step) *Conversation {
		r := &recorder{t: t}
		table := New(Config{}, r)
		feed(table, 7, steps...)
		return r.all[0]
	}
	c := run(handshake...)
	if c.Initiator != InitiatorA || !c.SYN || !c.SYNACK || c.FIN || c.RST || c.A.Addr != client.Addr() || c.A.Port != client.Port() ||
		c.B.Addr != server.Addr() || c.B.Port != server.Port() || c.Packets != [2]uint64{2, 1} || c.Bytes != [2]uint64{108, 54} || c.FirstFrame != 7 {
		t.Errorf("handshake: %+v", c)
	}
	if again := run(handshake...); again.ID != c.ID || c.ID == 0 {
		t.Errorf("the same packets give ids %#x and %#x", c.ID, again.ID)
	}
	later := slices.Clone(handshake)
	later[0].at = 1e-6
	if other := run(later...); other.ID == c.ID {
		t.Error("another start gives the same id")
	}
	if c := run(handshake[1:]...); c.Initiator != InitiatorB || c.A.Port != server.Port() || c.SYN {
		t.Errorf("beginning with the answer to a SYN: %+v", c)
	}
	if c := run(step{flags: data, seq: 5, data: "x"}); c.Initiator != InitiatorUnknown {
		t.Errorf("mid-stream: %+v", c)
	}
	if c := run(step{flags: syn, seq: 5}, step{back: true, flags: rst | ack, ack: 6}); !c.RST || !c.SYN {
		t.Errorf("refused: %+v", c)
	}
	if c := run(append(slices.Clone(handshake), step{flags: fin | ack, seq: 101, ack: 501})...); !c.FIN || c.RST {
		t.Errorf("half closed: %+v", c)
	}
}
