package detect

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// Of two requests about one object that are under way together, the answer settles the one that it answers.
func TestAnswerSettlesItsRequest(t *testing.T) {
	conv := &protocols.Conversation{ID: 1}
	object := protocols.Object{Area: "holding-register", First: 7, Count: 1}
	asked := func() *tally {
		return &tally{earned: []deed{
			{conv: conv, frame: 4, object: object, outcome: protocols.OutcomeAsked},
			{conv: conv, frame: 5, object: object, outcome: protocols.OutcomeAsked},
		}}
	}
	for answers, want := range map[uint64][2]protocols.Outcome{
		5: {protocols.OutcomeAsked, protocols.OutcomeRefused},
		4: {protocols.OutcomeRefused, protocols.OutcomeAsked},
		0: {protocols.OutcomeRefused, protocols.OutcomeAsked}, // not known: the oldest
		9: {protocols.OutcomeAsked, protocols.OutcomeAsked},   // of a request that was not kept
	} {
		tally := asked()
		found := tally.answer(&protocols.Event{Conv: conv, Object: object, Outcome: protocols.OutcomeRefused, Answers: answers})
		got := [2]protocols.Outcome{tally.earned[0].outcome, tally.earned[1].outcome}
		if got != want || found != (answers != 9) {
			t.Errorf("an answer to frame %d: outcomes %v, found %v; want %v", answers, got, found, want)
		}
	}
}

func TestStrangers(t *testing.T) {
	devices := []inventory.Device{{ID: "d1", IPs: []string{"10.0.0.5"}, MACs: []string{"00:1b:1b:01:02:03"}, Names: []string{"Pump.plant.example"}}}
	verdicts := []Verdict{
		{IP: "10.0.0.5"}, {Network: "10.0.0.0/24"}, {MAC: "00-1B-1B-01-02-03"}, {Name: "pump"}, {Device: "d1"}, {IP: "10.0.0.5", Site: "Here"},
		{IP: "10.0.0.6"}, {Network: "10.1.0.0/24"}, {Name: "pum"}, {IP: "10.0.0.5", Site: "Elsewhere"},
	}
	if diff := cmp.Diff(verdicts[6:], Strangers(verdicts, "Here", devices)); diff != "" {
		t.Error(diff)
	}
}
