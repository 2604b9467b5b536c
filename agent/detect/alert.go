package detect

import (
	"cmp"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// Alert is one finding about one actor and one target: it rises in level and count, and never falls. The JSON form is
// the `alert` record that scripts rely on.
type Alert struct {
	ID                 string     `json:"id"`
	Site               string     `json:"site"`
	Rule               string     `json:"rule"`
	Title              string     `json:"title"`
	Severity           string     `json:"severity"` // informational, low, medium, high
	Level              string     `json:"level"`    // contact, read, engineering-read, write, control, effect
	Time               time.Time  `json:"time"`
	LastTime           time.Time  `json:"last_time"`
	Actor              string     `json:"actor"` // device ids
	Target             string     `json:"target"`
	ActorIP            string     `json:"actor_ip"`
	TargetIP           string     `json:"target_ip"`
	Protocol           string     `json:"protocol"`
	Techniques         []string   `json:"techniques"` // ATT&CK for ICS: "T0855"
	Description        string     `json:"description"`
	Evidence           []Evidence `json:"evidence"`
	Impacted           []Asset    `json:"impacted"`
	Reach              []Asset    `json:"reach"`
	RecommendedActions []string   `json:"recommended_actions"`
	Verdict            *Verdict   `json:"verdict,omitempty"`
	Count              uint64     `json:"count"`
	Capture            string     `json:"capture"`
	// Revision counts the changes of the alert; the store keeps the highest.
	Revision uint64 `json:"revision"`
}

// Evidence is one deed behind an alert.
type Evidence struct {
	File     string            `json:"file,omitempty"`
	Frame    uint64            `json:"frame"`
	Time     time.Time         `json:"time"`
	Protocol string            `json:"protocol"`
	Message  string            `json:"message"`
	Action   protocols.Action  `json:"action"`
	Outcome  protocols.Outcome `json:"outcome"`
	Level    string            `json:"level"`
	Object   string            `json:"object,omitempty"`
	Before   string            `json:"before,omitempty"` // the object's last known values, as text
	After    string            `json:"after,omitempty"`
}

// Asset is a device named in an alert, with the reason why it is there.
type Asset struct {
	Device      string `json:"device"`
	Name        string `json:"name,omitempty"`
	IP          string `json:"ip"`
	Type        string `json:"type"`
	Criticality string `json:"criticality,omitempty"`
	Reason      string `json:"reason"`
}

// Verdict says that a device is, or is suspected to be, compromised. Exactly one selector is set.
type Verdict struct {
	ID      string `json:"id"`
	IP      string `json:"ip,omitempty"`
	Network string `json:"network,omitempty"` // CIDR
	MAC     string `json:"mac,omitempty"`
	Name    string `json:"name,omitempty"`
	Device  string `json:"device,omitempty"` // device id
	Site    string `json:"site,omitempty"`   // empty: every site

	State      string   `json:"state"`      // confirmed, suspected, cleared
	Confidence uint8    `json:"confidence"` // per cent
	Source     string   `json:"source,omitempty"`
	Reason     string   `json:"reason,omitempty"`
	Reference  string   `json:"reference,omitempty"`
	Techniques []string `json:"techniques,omitempty"`

	// ValidFrom and ValidUntil bound the deeds that the verdict covers; absent: always.
	ValidFrom  *time.Time `json:"valid_from,omitempty"`
	ValidUntil *time.Time `json:"valid_until,omitempty"`
	// Added is when the verdict became known to the sensor; deeds before it count too.
	Added time.Time `json:"added,omitzero"`
}

// clone copies an alert with everything it refers to.
func (a Alert) clone() Alert {
	a.Techniques = slices.Clone(a.Techniques)
	a.Evidence = slices.Clone(a.Evidence)
	a.Impacted = slices.Clone(a.Impacted)
	a.Reach = slices.Clone(a.Reach)
	a.RecommendedActions = slices.Clone(a.RecommendedActions)
	if a.Verdict != nil {
		v := *a.Verdict
		v.Techniques = slices.Clone(v.Techniques)
		a.Verdict = &v
	}
	return a
}

func compareAlerts(a, b Alert) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
}
