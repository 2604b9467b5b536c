package detect

import (
	"fmt"
	"strings"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// actions says what to do now: concrete, in order, and safe for a plant that runs.
func (t *tale) actions(reach []Asset) []string {
	all := []string{t.callShift()}
	all = append(all, t.isolate())
	f := t.finding
	did := make(map[int]bool) // by kind
	for _, x := range f.did {
		did[x.kind] = true
	}
	target := t.short(t.target, t.record.target)
	if f.halts {
		all = append(all, fmt.Sprintf("Check on site whether %s runs: operating mode, key switch, status lights. Do not power-cycle it or start it "+
			"from remote: have the shift bring the process to a safe state first.", target))
	} else if did[int(protocols.ActionControl)] {
		all = append(all, fmt.Sprintf("Check the operating mode and key switch of %s on site before anybody changes it back.", target))
	}
	if list := t.list(protocols.ActionWrite); list != "" {
		all = append(all, fmt.Sprintf("Compare with the approved set points and, after the shift agrees, restore on %s: %s.", target, list))
	}
	if did[kindMethod] {
		all = append(all, fmt.Sprintf("Find out with the documentation of %s what the called methods do, and check that: %s.", target, t.list(protocols.ActionControl)))
	}
	if list := t.list(protocols.ActionConfigure); list != "" {
		all = append(all, fmt.Sprintf("Check the settings of %s against the documentation: %s.", target, list))
	}
	if did[int(protocols.ActionDownload)] {
		what := "all blocks"
		if list := t.list(protocols.ActionDownload); list != "" {
			what = list
		}
		all = append(all, fmt.Sprintf("Compare the program that runs in %s with the last approved backup, offline, block by block: %s.", target, what))
	}
	if did[int(protocols.ActionFirmware)] {
		all = append(all, fmt.Sprintf("Check version and signature of the firmware of %s with the vendor's tool; plan its replacement by a known good one.", target))
	}
	if did[int(protocols.ActionUpload)] || did[int(protocols.ActionFile)] {
		all = append(all, fmt.Sprintf("Treat the program and files of %s as known to the attacker; look for passwords and addresses in them.", target))
	}
	if did[int(protocols.ActionLogin)] {
		all = append(all, fmt.Sprintf("Review sessions and accounts on %s, and change the credentials that were used.", target))
	}
	if units := t.units(); len(units) > 0 {
		all = append(all, "Check the devices behind the target as well: "+strings.Join(units, ", ")+".")
	}
	if len(reach) > 0 {
		all = append(all, "Check next, as the device can reach them: "+nextTargets(reach)+".")
	}
	return append(all, t.preserve())
}

// callShift comes first: whoever runs the plant must know before anything is cut.
func (t *tale) callShift() string {
	target := t.short(t.target, t.record.target)
	if t.finding.level >= LevelWrite {
		return fmt.Sprintf("Call the shift: %s may no longer do what its displays say. Have them watch the process and be ready to run it by hand.", target)
	}
	if t.finding.level == LevelContact && t.triedOnly() {
		return fmt.Sprintf("Tell the shift that a compromised device tried to reach %s, which refused; nothing needs to be switched off for that.", target)
	}
	return fmt.Sprintf("Tell the shift that a compromised device has reached %s; nothing needs to be switched off for that.", target)
}

// isolate names the port or address to cut, with the care that the device's own role asks for.
func (t *tale) isolate() string {
	where := "address " + t.record.actor.String()
	if len(t.actor.MACs) > 0 {
		where = fmt.Sprintf("the switch port of MAC %s (%s)", t.actor.MACs[0], where)
		if len(t.actor.VLANs) > 0 {
			where += fmt.Sprintf(", VLAN %d", t.actor.VLANs[0])
		}
	} else if t.actor.ID == "" || t.record.actor.IP.IsValid() {
		where += " at the router or firewall it comes through"
	}
	said := fmt.Sprintf("Isolate %s: disable or filter %s.", t.short(t.actor, t.record.actor), where)
	if t.actor.Category == inventory.CategoryOT {
		said += fmt.Sprintf(" It works as %s: agree with the shift first, because the process may depend on it.", t.actor.Type)
	}
	if t.record.actor == t.record.target {
		said += " Actor and target are the same device: isolating it takes the target off the network too."
	}
	return said
}

func (t *tale) short(v inventory.Device, a protocols.Address) string {
	if len(v.Names) > 0 {
		return fmt.Sprintf("%s (%s)", v.Names[0], a)
	}
	return a.String()
}

// list names the objects under an action.
func (t *tale) list(a protocols.Action) string {
	var names []string
	for _, o := range t.finding.objects {
		if o.action == a && (o.done || !o.refused) {
			names = append(names, o.object.String())
		}
	}
	more := len(names) - shownObjects
	if more > 0 {
		names = append(names[:shownObjects], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// units names the units behind the target that were addressed.
func (t *tale) units() []string {
	var names []string
	for _, u := range t.d.inventory.Units(t.target.ID) {
		if n, ok := t.touchedUnit(u); ok {
			names = append(names, fmt.Sprintf("unit %d", n))
		}
	}
	return names
}

func nextTargets(reach []Asset) string {
	var names []string
	for _, a := range reach[:min(len(reach), 5)] {
		name := a.IP
		if a.Name != "" {
			name = fmt.Sprintf("%s (%s)", a.Name, a.IP)
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// preserve says which packets prove it.
func (t *tale) preserve() string {
	if len(t.finding.evidence) == 0 {
		return "Preserve the captures and logs of this time."
	}
	first, last := t.finding.evidence[0], t.finding.evidence[len(t.finding.evidence)-1]
	return fmt.Sprintf("Preserve the evidence: packets from %s to %s (frames %d to %d), and an image of %s before it is cleaned.",
		stamp(first.time), stamp(last.time), first.frame, last.frame, t.short(t.actor, t.record.actor))
}
