package s7

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// step is a message of a conversation, or with no bytes a gap.
type step struct {
	from  protocols.Side
	bytes string
}

func client(hex string) step { return step{protocols.Client, hex} }
func server(hex string) step { return step{protocols.Server, hex} }

var (
	lostByServer = step{from: protocols.Server}
	lostByClient = step{from: protocols.Client}
)

// Pieces of conversations, beside those of the probe's test.
const (
	readAgain   = "0300001f 02f080 3201 0000 0002 000e 0000 0401 120a10 02 0001 0001 84 000000 "
	readLists   = "0300001d 02f080 3207 0000 0003 0008 0004 000112 04 11 44 01 00 0a000000"
	givesList   = "0300001d 02f080 3207 0000 0003 0008 0004 000112 04 12 84 01 00 0a000000"
	refusal     = "03000013 02f080 3202 0000 0001 0000 0000 8104"
	pushedAlarm = "0300001d 02f080 3207 0000 0000 0008 0004 000112 04 11 04 12 00 0a000000"
	plusRead    = "03000023 02f080 7202 0014 31 0000 054c 0000 0007 00000001 34 000000f0 72020000"
	plusAnswer  = "0300001c 02f080 7202 000d 32 0000 054c 0000 0007 34 00 01 72020000"
	plusCredit  = "03000023 02f080 7202 0014 31 0000 04f2 0000 0008 00000001 74 000000f0 72020000"
	plusNotify  = "0300001b 02f080 7202 000c 33 00000400 00000000000000 72020000"
	stopTwice   = "03000021 02f080 3201 0000 0001 0010 0000 2900000000000950 5f50524f4752414d"
)

func TestUnanswered(t *testing.T) {
	for _, c := range []struct {
		name        string
		steps       []step
		open, ended uint64 // what is told before the end, and at the end
	}{
		{"nothing", nil, 0, 0},
		{"an answer", []step{client(read), server(answer)}, 0, 0},
		{"a refusal is an answer", []step{client(read), server(refusal)}, 0, 0},
		{"a job open at the end", []step{client(read)}, 0, 1},
		{"one of two", []step{client(read), client(readAgain), server(answer)}, 0, 1},
		{"an answer to something else", []step{client(readAgain), server(answer)}, 0, 1},
		{"a reference used again", []step{client(read), client(stopTwice)}, 1, 1},
		{"a list", []step{client(readLists), server(givesList)}, 0, 0},
		{"a list open at the end", []step{client(readLists)}, 0, 1},
		{"a controller's own job", []step{server(fetch), client(gives)}, 0, 0},
		{"a controller's own job, open", []step{server(fetch)}, 0, 1},
		{"what is pushed asks for nothing", []step{server(pushedAlarm)}, 0, 0},
		{"an answer may be lost", []step{client(read), lostByServer}, 0, 0},
		{"and comes yet", []step{client(read), lostByServer, server(answer)}, 0, 0},
		{"what the client lost is no answer of the server", []step{client(read), lostByClient}, 0, 1},
		{"asked after the loss", []step{lostByServer, client(read)}, 0, 1},
		{"S7comm-plus", []step{client(plusRead), server(plusAnswer)}, 0, 0},
		{"S7comm-plus, open", []step{client(plusRead)}, 0, 1},
		{"S7comm-plus, lost", []step{client(plusRead), lostByServer}, 0, 0},
		{"S7comm-plus, no answer wanted", []step{client(plusCredit), server(plusNotify)}, 0, 0},
	} {
		d := Spec.New()
		for _, s := range c.steps {
			if s.bytes == "" {
				d.Gap(s.from)
				continue
			}
			if _, err := d.Dissect(nil, protocols.Message{From: s.from, Bytes: unhex(t, s.bytes)}); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		asker := d.(protocols.Asker)
		if got := asker.Unanswered(false); got != c.open {
			t.Errorf("%s: %d before the end, want %d", c.name, got, c.open)
		}
		if got := asker.Unanswered(true); got != c.ended {
			t.Errorf("%s: %d at the end, want %d", c.name, got, c.ended)
		}
		if got := asker.Unanswered(true); got != 0 {
			t.Errorf("%s: %d told twice", c.name, got)
		}
	}
}

// A request that was passed over is told while the conversation goes on, which may be for years.
func TestPassedOver(t *testing.T) {
	d := &conversation{}
	job := unhex(t, read)
	ack := unhex(t, answer)
	ask := func(ref byte) {
		job[12], ack[12] = ref, ref
		if _, err := d.Dissect(nil, protocols.Message{From: protocols.Client, Bytes: job}); err != nil {
			t.Fatal(err)
		}
	}
	ask(0)
	for ref := byte(1); ref <= maxPending; ref++ {
		if got := d.Unanswered(false); got != 0 {
			t.Fatalf("%d unanswered after %d others", got, ref-1)
		}
		ask(ref)
		if _, err := d.Dissect(nil, protocols.Message{From: protocols.Server, Bytes: ack}); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.Unanswered(false); got != 1 {
		t.Errorf("%d unanswered, want the one passed over", got)
	}
	// One that devices answer never, while others wait, makes room for them.
	for ref := byte(100); ref < 100+maxPending+3; ref++ {
		ask(ref)
	}
	if got := d.Unanswered(false); got != 3 {
		t.Errorf("%d unanswered, want those forgotten for want of room", got)
	}
}
