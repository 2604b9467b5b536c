package iec104

import (
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
)

// The variable structure qualifier and the cause of transmission (IEC 60870-5-101, 7.2.2 and 7.2.3).
const (
	countMask   = 0x7f
	sequenceBit = 0x80
	causeMask   = 0x3f
	negativeBit = 0x40
	testBit     = 0x80
)

// Causes that decide something.
const (
	causeRequest        = 5
	causeActivation     = 6
	causeActConfirm     = 7
	causeDeactivation   = 8
	causeDeactConfirm   = 9
	causeActTermination = 10
	causeFile           = 13
	causeInterrogated   = 20
	causeGroup16        = 36
	causeCounters       = 37
	causeCounterGroup4  = 41
	causeUnknownType    = 44
	causeUnknownAddress = 47
)

// cause is a row of the causes of transmission.
type cause struct {
	name    string
	outcome protocols.Outcome
	asks    bool // the sender wants an answer
}

// causes are those of IEC 60870-5-101, table 14, and the authentication of IEC 60870-5-7.
var causes = func() (t [causeMask + 1]cause) {
	for code, row := range map[int]cause{
		1: {"per/cyc", protocols.OutcomeDone, false}, 2: {"back", protocols.OutcomeDone, false},
		3: {"spont", protocols.OutcomeDone, false}, 4: {"init", protocols.OutcomeDone, false},
		causeRequest:        {"req", protocols.OutcomeAsked, true},
		causeActivation:     {"act", protocols.OutcomeAsked, true},
		causeActConfirm:     {"actcon", protocols.OutcomeDone, false},
		causeDeactivation:   {"deact", protocols.OutcomeAsked, true},
		causeDeactConfirm:   {"deactcon", protocols.OutcomeDone, false},
		causeActTermination: {"actterm", protocols.OutcomeDone, false},
		11:                  {"retrem", protocols.OutcomeDone, false}, 12: {"retloc", protocols.OutcomeDone, false},
		causeFile: {"file", protocols.OutcomeDone, false}, 14: {"auth", protocols.OutcomeUnknown, false},
		15: {"seskey", protocols.OutcomeUnknown, false}, 16: {"usrkey", protocols.OutcomeUnknown, false},
		causeInterrogated: {"inrogen", protocols.OutcomeDone, false},
		causeCounters:     {"reqcogen", protocols.OutcomeDone, false},
		causeUnknownType:  {"unknown type", protocols.OutcomeRefused, false},
		45:                {"unknown cause", protocols.OutcomeRefused, false},
		46:                {"unknown common address", protocols.OutcomeRefused, false},
		47:                {"unknown object address", protocols.OutcomeRefused, false},
	} {
		t[code] = row
	}
	for group := 1; group <= causeGroup16-causeInterrogated; group++ {
		t[causeInterrogated+group] = cause{"inro" + strconv.Itoa(group), protocols.OutcomeDone, false}
	}
	for group := 1; group <= causeCounterGroup4-causeCounters; group++ {
		t[causeCounters+group] = cause{"reqco" + strconv.Itoa(group), protocols.OutcomeDone, false}
	}
	return t
}()

// causeSet is a set of causes, a bit each.
type causeSet uint64

func (s causeSet) has(c byte) bool { return s>>c&1 != 0 }

func causesOf(list ...byte) (s causeSet) {
	for _, c := range list {
		s |= 1 << c
	}
	return s
}

// The causes that a class of types can have. The tables of the standard are narrower type by type; devices are not.
var (
	refusals        = causesOf(44, 45, 46, 47)
	monitorCauses   = causesOf(1, 2, 3, 4, 5, 11, 12) | 1<<(causeCounterGroup4+1) - 1<<causeInterrogated
	commandCauses   = causesOf(3, 5, 6, 7, 8, 9, 10) | refusals
	parameterCauses = commandCauses | 1<<(causeGroup16+1) - 1<<causeInterrogated
	fileCauses      = causesOf(3, 5, 6, 7, 8, 9, 10, causeFile) | refusals
	securityCauses  = causesOf(3, 14, 15, 16) | refusals
)
