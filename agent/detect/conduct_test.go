package detect

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// What an actor does to all its targets together tells a sweep from a plant's daily work.
func TestConduct(t *testing.T) {
	const actor = "10.0.0.66"
	target := func(n int) string { return fmt.Sprintf("10.0.1.%d", n+1) }
	each := func(n int, gap time.Duration, do func(p *plant, target string)) func(p *plant) {
		return func(p *plant) {
			for k := range n {
				do(p, target(k))
				p.wait(gap)
			}
		}
	}
	known := func(p *plant, target string) { p.read(p.join("10.0.0.10", target, 502), 0, 1) }
	block := func(action protocols.Action, name string) func(p *plant) {
		return func(p *plant) {
			p.ask(p.open(actor, target(0), 102), action, "deed", protocols.Object{Area: "block", Name: name}, protocols.OutcomeDone)
		}
	}
	for name, c := range map[string]struct {
		play      func(p *plant)
		has, lack string
	}{
		"polls over connections older than the capture": {each(3, 0, func(p *plant, target string) {
			p.read(p.join(actor, target, 502), 0, 1)
		}), "T0801", "T0846 T0861"},
		"reconnects to what it polls": {func(p *plant) {
			each(3, 0, func(p *plant, target string) { p.read(p.join(actor, target, 502), 0, 1) })(p)
			each(3, 0, func(p *plant, target string) { p.read(p.open(actor, target, 502), 0, 1) })(p)
		}, "T0801", "T0846 T0861"},
		"opens connections to three":      {each(3, 20*time.Second, func(p *plant, target string) { known(p, target); p.open(actor, target, 502) }), "T0846", "T0861"},
		"is refused by three":             {each(3, 0, func(p *plant, target string) { known(p, target); p.dial(actor, target, 502, true) }), "T0846", "T0861"},
		"opens connections to two":        {each(2, 0, func(p *plant, target string) { known(p, target); p.open(actor, target, 502) }), "", "T0846"},
		"takes its time between contacts": {each(4, 31*time.Second, func(p *plant, target string) { known(p, target); p.open(actor, target, 502) }), "", "T0846"},
		"reads as a newcomer":             {each(1, 0, func(p *plant, target string) { p.read(p.open(actor, target, 502), 0, 1) }), "T0861 T0801", "T0846"},
		"came to stay": {func(p *plant) {
			c := p.open(actor, target(0), 502)
			for range 11 {
				p.read(c, 0, 1)
				p.wait(time.Minute)
			}
		}, "T0801", "T0861"},
		"writes to three": {each(3, 20*time.Second, func(p *plant, target string) { p.write(p.join(actor, target, 502), protocols.OutcomeDone, 0, 1) }), "T0806", "T0846"},
		"writes to two, repeatedly": {each(2, 0, func(p *plant, target string) {
			c := p.join(actor, target, 502)
			p.write(c, protocols.OutcomeDone, 0, 1)
			p.write(c, protocols.OutcomeDone, 0, 2)
		}), "T0855", "T0806"},
		"writes to three in an hour": {each(3, 20*time.Minute, func(p *plant, target string) {
			p.write(p.join(actor, target, 502), protocols.OutcomeDone, 0, 1)
		}), "T0855", "T0806"},
		"loads an organisation block": {block(protocols.ActionDownload, "OB35"), "T0843 T0821", ""},
		"loads a data block":          {block(protocols.ActionDownload, "DB1"), "T0843", "T0821"},
		"takes an organisation block": {block(protocols.ActionUpload, "OB1"), "T0845", "T0821"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t)
			c.play(p)
			got := p.run(confirmed(actor)).alert(t, actor, target(0)).Techniques
			for _, id := range strings.Fields(c.has) {
				if !slices.Contains(got, id) {
					t.Errorf("%v lack %s", got, id)
				}
			}
			for _, id := range strings.Fields(c.lack) {
				if slices.Contains(got, id) {
					t.Errorf("%v have %s", got, id)
				}
			}
		})
	}
}
