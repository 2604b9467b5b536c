package incident

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/cloud/store"
)

func TestGravest(t *testing.T) {
	deed := func(second int, level, action, message, outcome string) store.Evidence {
		return store.Evidence{Time: night.Add(time.Duration(second) * time.Second), Level: level, Action: action, Message: message, Outcome: outcome}
	}
	contact := deed(0, "contact", "connect", "conversation with TCP port 102", "done")
	read := deed(1, "read", "read", "Read Var", "done")
	download := deed(36, "control", "download", "Request download", "done")
	stop := deed(39, "control", "control", "PLC Stop", "done")
	refused := deed(20, "control", "control", "PLC Stop", "refused")
	asked := deed(21, "control", "control", "PLC Stop", "asked")
	denied := deed(5, "write", "write", "Write Single Register", "refused")
	write := deed(9, "write", "write", "Write Multiple Registers", "done")
	again := deed(10, "write", "write", "Write Single Register", "done")
	for _, c := range []struct {
		name     string
		evidence []store.Evidence
		want     store.Evidence
	}{
		{"alone", []store.Evidence{contact}, contact},
		{"highest level", []store.Evidence{contact, read, download}, download},
		{"stop before download, though it came later", []store.Evidence{contact, download, stop}, stop},
		{"done before refused, though it came later", []store.Evidence{denied, write}, write},
		{"done before a graver one that was refused", []store.Evidence{refused, download}, download},
		{"a higher level that was refused before a lower one that was done", []store.Evidence{write, refused}, refused},
		{"answered before unanswered", []store.Evidence{asked, stop}, stop},
		{"unanswered before refused", []store.Evidence{refused, asked}, asked},
		{"first of equals", []store.Evidence{again, write}, write},
		{"levels and actions of a newer sensor", []store.Evidence{deed(0, "ruin", "summon", "Summon", "done"), read}, read},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := Gravest(c.evidence); !ok || got != c.want {
				t.Errorf("gravest = %+v, %v; want %+v", got, ok, c.want)
			}
		})
	}
	if got, ok := Gravest(nil); ok {
		t.Errorf("gravest of nothing = %+v", got)
	}
}

func TestGravestDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		evidence := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) store.Evidence {
			return store.Evidence{
				Frame:   rapid.Uint64Range(1, 3).Draw(t, "frame"),
				Time:    night.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "second")) * time.Second),
				Level:   rapid.SampledFrom(append([]string{""}, levels...)).Draw(t, "level"),
				Action:  rapid.SampledFrom([]string{"control", "download", "write", "read", "alarm"}).Draw(t, "action"),
				Message: rapid.SampledFrom([]string{"PLC Stop", "Restart", "Write Var"}).Draw(t, "message"),
				Outcome: rapid.SampledFrom([]string{"asked", "done", "refused", "unknown"}).Draw(t, "outcome"),
			}
		}), 1, 8).Draw(t, "evidence")
		want, _ := Gravest(evidence)
		if got, _ := Gravest(rapid.Permutation(evidence).Draw(t, "order")); got != want {
			t.Fatalf("gravest = %+v in one order, %+v in another", want, got)
		}
		for _, e := range evidence {
			if LevelRank(e.Level) > LevelRank(want.Level) || e.Level == want.Level && e.Outcome != "refused" && want.Outcome == "refused" {
				t.Fatalf("gravest = %+v, but there is %+v", want, e)
			}
		}
	})
}
