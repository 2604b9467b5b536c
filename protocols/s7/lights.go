package s7

import "github.com/spanwatch/spanwatch/protocols"

// A record of a list of lights: two bytes that end in the light's number, whether it is lit, whether it blinks.
const lightLen = 4

// Lights that tell the mode.
const (
	lightRun  = 4
	lightStop = 5
)

// lights are the names of the lights, by number.
var lights = [...]string{
	1: "SF", 2: "INTF", 3: "EXTF", lightRun: "RUN", lightStop: "STOP", 6: "FRCE", 7: "CRST", 8: "BAF", 9: "USR",
	10: "USR1", 11: "BUS1F", 12: "BUS2F", 13: "REDF", 14: "MSTR", 15: "RACK0", 16: "RACK1", 17: "RACK2",
	18: "IFM1F", 19: "IFM2F", 20: "BUS3F", 21: "MAINT", 22: "DC24V",
}

// lightFacts concludes the mode from the lights: RUN or STOP alone, and steady. While a controller starts, both show.
func lightFacts(facts []protocols.Fact, list szlList) []protocols.Fact {
	var lit, blinks [len(lights)]bool
	for record := range list.all {
		if len(record) >= lightLen && int(record[1]) < len(lights) {
			lit[record[1]], blinks[record[1]] = record[2] != 0, record[3] != 0
		}
	}
	mode := ""
	switch {
	case blinks[lightRun] || blinks[lightStop]:
	case lit[lightRun] && !lit[lightStop]:
		mode = "run"
	case lit[lightStop] && !lit[lightRun]:
		mode = "stop"
	}
	if mode == "" {
		return facts
	}
	return append(facts, protocols.Fact{About: protocols.Server, Key: protocols.FactMode, Value: mode, Confidence: 80})
}

// lightDetail copies the name of a light that is lit.
func lightDetail(d *Detail, record []byte) {
	if len(record) < lightLen || record[2] == 0 {
		return
	}
	if n := int(record[1]); n < len(lights) && lights[n] != "" {
		d.Lights = append(d.Lights, lights[n])
	}
}
