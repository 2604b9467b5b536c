package protocols

import "fmt"

// Action is what a message does to the device that serves it. The order is the order of strength: a message that
// does several things is recorded under its strongest.
type Action uint8

// The actions, weakest first.
const (
	ActionNone      Action = iota
	ActionConnect          // opens, keeps or closes a conversation
	ActionAlarm            // an alarm or event that the device reported
	ActionRead             // process values out of the device
	ActionSubscribe        // process values out of the device, from now on
	ActionBrowse           // which objects, blocks or nodes there are
	ActionIdentify         // vendor, model, firmware, serial, modules
	ActionLogin            // a user or password was presented
	ActionUpload           // a program or configuration out of the device
	ActionFile             // a file out of, or into, the device
	ActionWrite            // process values into the device
	ActionConfigure        // settings, clock, access rights into the device
	ActionDownload         // a program into the device
	ActionFirmware         // firmware into the device
	ActionControl          // operating mode: start, stop, restart, reset
	actionCount
)

var actionNames = [actionCount]string{
	"none", "connect", "alarm", "read", "subscribe", "browse", "identify", "login", "upload", "file",
	"write", "configure", "download", "firmware", "control",
}

// String gives the name under which records show the action.
func (a Action) String() string {
	if a < actionCount {
		return actionNames[a]
	}
	return fmt.Sprintf("action-%d", uint8(a))
}

// MarshalText writes the action's name.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the action's name; an unknown name is an error.
func (a *Action) UnmarshalText(text []byte) error {
	for i, name := range actionNames {
		if name == string(text) {
			*a = Action(i)
			return nil
		}
	}
	return fmt.Errorf("protocols: unknown action %q", text)
}

// Alters reports whether the action can change a process or the device that controls it.
func (a Action) Alters() bool {
	switch a {
	case ActionWrite, ActionConfigure, ActionDownload, ActionFirmware, ActionControl:
		return true
	default:
		return false
	}
}

// Outcome is how an attempt ended, as far as the wire tells.
type Outcome uint8

// The outcomes. Refused is an answer that says no; a request that was never answered stays Asked.
const (
	OutcomeUnknown Outcome = iota
	OutcomeAsked
	OutcomeDone
	OutcomeRefused
	outcomeCount
)

var outcomeNames = [outcomeCount]string{"unknown", "asked", "done", "refused"}

// String gives the name under which records show the outcome.
func (o Outcome) String() string {
	if o < outcomeCount {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome-%d", uint8(o))
}

// MarshalText writes the outcome's name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the outcome's name; an unknown name is an error.
func (o *Outcome) UnmarshalText(text []byte) error {
	for i, name := range outcomeNames {
		if name == string(text) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("protocols: unknown outcome %q", text)
}

// Side says which end of a conversation sent a message.
type Side uint8

// The two sides. The client asks, the server answers; for unsolicited messages the one that serves is the server.
const (
	Client Side = iota
	Server
)

// String gives "client" or "server".
func (s Side) String() string {
	if s == Server {
		return "server"
	}
	return "client"
}

// Other gives the opposite side.
func (s Side) Other() Side { return s ^ 1 }

// MarshalText writes the side's name.
func (s Side) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
