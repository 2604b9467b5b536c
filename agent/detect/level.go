package detect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// Level is how far a deed goes towards the process.
type Level uint8

// The levels, weakest first.
const (
	LevelNone Level = iota
	LevelContact
	LevelRead
	LevelEngineeringRead
	LevelWrite
	LevelControl
	LevelEffect
	levelCount
)

var levelNames = [levelCount]string{"", "contact", "read", "engineering-read", "write", "control", "effect"}

// LevelRank places a level by its name in a record: higher is worse, below 0 is no level.
func LevelRank(name string) int { return slices.Index(levelNames[:], name) }

// String gives the name under which records show the level.
func (l Level) String() string { return levelNames[min(l, levelCount-1)] }

// actionCount is the number of actions of the vocabulary.
const actionCount = int(protocols.ActionControl) + 1

// Deeds are kept by kind: by action, and calls of methods apart, which command a device but need not touch its
// operating mode.
const (
	kindMethod = actionCount
	kindCount  = actionCount + 1

	areaMethod = "method" // the area of objects that are called
)

func kindOf(a protocols.Action, o protocols.Object) int {
	if a == protocols.ActionControl && o.Area == areaMethod {
		return kindMethod
	}
	return int(a)
}

// meaning is what follows from an action. Outcome does not lower the level: who was refused has tried, and what was never
// answered may have been done. It lowers severity, see [severityOf].
type meaning struct {
	level      Level
	verb       string   // what was done, after "it": "wrote process values"
	tried      string   // the same when every attempt was refused
	link       string   // what joins the verb to the target: "to"
	techniques []string // of ATT&CK for ICS
}

// meanings is the one table from kind of deed to impact.
var meanings = [kindCount]meaning{
	protocols.ActionNone:      {level: LevelContact, verb: "sent messages that say nothing", link: "to"},
	protocols.ActionConnect:   {level: LevelContact, verb: "connected", tried: "tried to connect", link: "to"},
	protocols.ActionAlarm:     {level: LevelContact, verb: "received alarms", link: "from"},
	protocols.ActionRead:      {LevelRead, "read process values", "tried to read process values", "from", []string{"T0801"}},
	protocols.ActionSubscribe: {LevelRead, "subscribed to process values", "tried to subscribe to process values", "from", []string{"T0801"}},
	protocols.ActionBrowse:    {LevelEngineeringRead, "listed points and blocks", "tried to list points and blocks", "of", []string{"T0861"}},
	protocols.ActionIdentify:  {LevelEngineeringRead, "asked for the identity", "tried to ask for the identity", "of", []string{"T0888"}},
	protocols.ActionLogin:     {LevelEngineeringRead, "logged in", "tried to log in", "to", []string{"T0859"}},
	protocols.ActionUpload:    {LevelEngineeringRead, "took the program out", "tried to take the program out", "of", []string{"T0845"}},
	protocols.ActionFile:      {LevelEngineeringRead, "transferred files", "tried to transfer files", "to or from", []string{"T0893"}},
	protocols.ActionWrite:     {LevelWrite, "wrote process values", "tried to write process values", "to", []string{"T0855", "T0836"}},
	protocols.ActionConfigure: {LevelWrite, "changed settings", "tried to change settings", "of", []string{"T0836"}},
	protocols.ActionDownload:  {LevelControl, "loaded program parts", "tried to load program parts", "into", []string{"T0843", "T0889"}},
	protocols.ActionFirmware:  {LevelControl, "sent firmware", "tried to send firmware", "to", []string{"T0857"}},
	protocols.ActionControl:   {LevelControl, "changed the operating mode", "tried to change the operating mode", "of", []string{"T0858"}},
	kindMethod:                {LevelControl, "called methods", "tried to call methods", "of", []string{"T0855", "T0871"}},
}

const (
	techniqueRestart   = "T0816" // Device Restart/Shutdown: a mode change that stops or restarts
	techniqueDiscovery = "T0846" // Remote System Discovery: first contact with many assets within a minute
	techniqueBurst     = "T0806" // Brute Force I/O: writes to many targets within a minute
	techniquePoints    = "T0861" // Point & Tag Identification: reading by a stranger
)

// objectTechnique is what an action means besides because of the object that it is done to.
type objectTechnique struct {
	action       protocols.Action
	area, prefix string // of the object's name
	technique    string
}

func (x objectTechnique) matches(t touched) bool {
	return t.action == x.action && t.object.Area == x.area && strings.HasPrefix(t.object.Name, x.prefix)
}

var objectTechniques = []objectTechnique{
	{protocols.ActionDownload, "block", "OB", "T0821"}, // tasking block (organisation block): Modify Controller Tasking
}

// The severities.
const (
	SeverityInformational = "informational"
	SeverityLow           = "low"
	SeverityMedium        = "medium"
	SeverityHigh          = "high"
)

// SeverityRank places a severity by its name in a record: higher is worse, below 0 is no severity.
func SeverityRank(name string) int {
	return slices.Index([]string{SeverityInformational, SeverityLow, SeverityMedium, SeverityHigh}, name)
}

// weights of the levels, in tenths.
var levelWeight = [levelCount]int{
	LevelContact: 10, LevelRead: 20, LevelEngineeringRead: 30, LevelWrite: 50, LevelControl: 60, LevelEffect: 70,
}

// criticalityPercent is how much an asset matters. What is not known yet matters fully once it serves OT.
var criticalityPercent = map[string]int{"high": 100, "medium": 80, "low": 60}

// thresholds of the score, in thousandths of a level weight point.
var thresholds = []struct {
	score    int
	severity string
}{
	{4000, SeverityHigh}, {1500, SeverityMedium}, {500, SeverityLow}, {0, SeverityInformational},
}

// severityOf multiplies level, criticality of the asset and the verdict's confidence as it was given. Where every attempt
// was refused a quarter is taken off. It gives the severity and the sum in words.
func severityOf(l Level, target inventory.Device, v *Verdict, refused bool) (string, string) {
	criticality, known := criticalityPercent[target.Criticality]
	name := target.Criticality
	if !known {
		criticality, name = 100, "not known yet"
	}
	confidence := int(v.Confidence)
	score := levelWeight[l] * criticality * confidence / 100 // tenths × per cent
	words := fmt.Sprintf("level %s (%d of %d) × criticality of the asset %s (%d %%) × confidence of the verdict, %s (%d %%)",
		l, levelWeight[l]/10, levelWeight[LevelEffect]/10, name, criticality, v.State, confidence)
	if refused {
		score = score * 3 / 4
		words += " × 75 % because every attempt was refused"
	}
	for _, t := range thresholds {
		if score >= t.score {
			return t.severity, fmt.Sprintf("%s = %d.%d; high from 4.0, medium from 1.5, low from 0.5",
				words, score/1000, score%1000/100)
		}
	}
	return SeverityInformational, words
}
