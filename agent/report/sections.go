package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// section is one part of a report as people read it: Markdown and HTML show the same ones.
type section struct {
	ID, Title string
	Lead      string // what the table says, or what it means that there is none
	Columns   []string
	Rows      [][]string
	More      int      // rows left out
	Notes     []string // below the table
	Grave     bool     // what to look at first
}

// shownRows is how many rows of a table people are shown; the JSON form has all of them.
const shownRows = 30

// table makes a section of records. Without records it says so instead.
func table[R any](id, title, lead, none string, columns []string, records []R, row func(*R) []string) section {
	s := section{ID: id, Title: title, Lead: lead}
	if len(records) == 0 {
		s.Lead = none
		return s
	}
	s.Columns = columns
	for i := range records[:min(len(records), shownRows)] {
		s.Rows = append(s.Rows, row(&records[i]))
	}
	s.More = len(records) - len(s.Rows)
	s.dropEmpty()
	return s
}

// dropEmpty leaves out columns without a single entry.
func (s *section) dropEmpty() {
	for c := len(s.Columns) - 1; c >= 0; c-- {
		if slices.ContainsFunc(s.Rows, func(row []string) bool { return row[c] != "" }) {
			continue
		}
		s.Columns = slices.Delete(s.Columns, c, c+1)
		for r := range s.Rows {
			s.Rows[r] = slices.Delete(s.Rows[r], c, c+1)
		}
	}
}

func (s section) grave() section {
	s.Grave = len(s.Rows) > 0
	return s
}

// sections gives the parts in the order in which a meeting goes through them. The devices come apart, by level.
func (r *Report) sections() []section {
	return slices.Concat(r.judged(), r.inventory(), r.exposed(), r.changed(), r.unseen())
}

// toldAlerts is how many alerts are told in full.
const toldAlerts = 5

func (r *Report) judged() []section {
	alerts := table("alerts", "Alerts", "What a compromised device did to the plant.", "No alert was raised.",
		[]string{"Severity", "Level", "Actor", "Target", "From", "Until"}, r.Alerts, func(a *Alert) []string {
			return []string{a.Severity, a.Level, a.Actor.String(), a.Target.String(), stamp(a.Time), stamp(a.LastTime)}
		}).grave()
	for i := range r.Alerts[:min(len(r.Alerts), toldAlerts)] {
		alerts.Notes = append(alerts.Notes, r.Alerts[i].Description)
	}
	return []section{
		alerts,
		table("signals", "Signals", "Suspicious, but no proof by themselves.", "No signal was seen.",
			[]string{"Signal", "Actor", "Target", "First", "Count", "Weight"}, r.Signals, func(g *Signal) []string {
				return []string{g.Title, g.Actor.String(), g.Target.String(), stamp(g.Time), fmt.Sprint(g.Count), fmt.Sprintf("%d %%", g.Weight)}
			}),
	}
}

func (r *Report) inventory() []section {
	var all []section
	for _, l := range r.Levels {
		title := "Level " + l.Purdue + ": " + l.Name
		if l.Purdue == "" {
			title = l.Name
		}
		s := table("level-"+cmp.Or(strings.ReplaceAll(l.Purdue, ".", "-"), "unknown"), title, types(l.Devices), "",
			[]string{"Address", "Name", "Type", "Zone", "Vendor", "Model", "Firmware", "Serial", "State"}, l.Devices, func(d *Device) []string {
				return []string{d.address(), d.Name, d.Type, d.Zone, d.Vendor, d.Model, d.Firmware, d.Serial, condition(d)}
			})
		all = append(all, s)
	}
	return append(all,
		table("protocols", "Protocols", "Shares are of all bytes; decoded and encrypted are of a protocol's payload.", "No traffic was seen.",
			[]string{"Protocol", "Share", "Links", "Packets", "Bytes", "Decoded", "Encrypted"}, r.Protocols, func(p *Protocol) []string {
				return []string{p.Name, percent(p.Share), fmt.Sprint(p.Links), fmt.Sprint(p.Packets), size(p.Bytes), percent(p.Decoded), percent(p.Encrypted)}
			}),
		table("commands", "Who writes to the plant", "Every client that altered a device of the plant or took its program, with what it touched most.",
			"Nothing was written to a device of the plant, and no program was taken out of one.",
			[]string{"Client", "Type", "Device", "Did", "Objects", "Over", "Baseline"}, r.Commands, func(c *Command) []string {
				var objects []string
				for _, o := range c.Objects {
					objects = append(objects, fmt.Sprintf("%s %s ×%d", o.Action, o.Object, o.Count))
				}
				return []string{c.Client.String(), c.Client.Type, c.Server.String(), actions(c.Actions), strings.Join(objects, "; "), joined(c.Protocols), c.Baseline}
			}),
	)
}

// types gives "3 plc, 1 io".
func types(devices []Device) string {
	counts := make(map[string]int)
	var names []string
	for i := range devices {
		t := devices[i].Type
		if counts[t]++; counts[t] == 1 {
			names = append(names, t)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	return joined(names)
}

// condition gives what is worth a word of a device: its mode, and whether it is compromised.
func condition(d *Device) string {
	var words []string
	if d.Compromise != "" && d.Compromise != "none" {
		words = append(words, d.Compromise+" compromised")
	}
	if d.Mode != "" {
		words = append(words, d.Mode)
	}
	return joined(words)
}

func crossingRow(c *Crossing) []string {
	return []string{c.Client.String(), c.Server.String(), c.Reason, cmp.Or(actions(c.Actions), "nothing understood"), joined(c.Protocols), size(c.Bytes)}
}

func (r *Report) exposed() []section {
	crossing := []string{"Client", "Server", "Why it is here", "Did", "Over", "Bytes"}
	return []section{
		table("crossings", "Controllers reached from outside their zone",
			"Where zones are not known, from above the level of supervision, or from what is no known device.",
			"No controller was reached from outside its zone.", crossing, r.Crossings, crossingRow).grave(),
		table("internet", "Contact with the Internet", "Devices of the plant first.", "No device was in contact with the Internet.",
			crossing, r.Internet, crossingRow),
		table("clear", "Spoken in the open", "Anybody on the way can read these, and most of them anybody can write: what the sensor decoded was not encrypted.",
			"No device of the plant was spoken to in the open.",
			[]string{"Protocol", "Links", "Devices", "Done in it"}, r.Clear, func(c *Clear) []string {
				return []string{c.Protocol, fmt.Sprint(c.Links), parties(c.Servers), joined(c.Actions)}
			}),
		table("sessions", "Protection of sessions", "As client and server agreed; weak is what is neither signed nor encrypted, or anonymous.",
			"No session told how it is protected.",
			[]string{"Client", "Server", "Protocol", "Mode", "Policy", "User", ""}, r.Sessions, func(g *Session) []string {
				weak := ""
				if g.Weak {
					weak = "weak"
				}
				return []string{g.Client.String(), g.Server.String(), g.Protocol, g.Mode, g.Policy, g.User, weak}
			}),
		table("protection", "What devices of the plant say of their protection", "Levels, users and certificates, in their own words.",
			"No device of the plant said how it is protected.",
			[]string{"Device", "What", "Value", "Told by"}, r.Protection, func(d *Disclosure) []string {
				return []string{d.Device.String(), d.What, d.Value, d.Source}
			}),
	}
}

func (r *Report) changed() []section {
	change := func(c *Change) []string {
		return []string{stamp(c.At), c.Client.String(), c.Server.String(), joined(c.Protocols), actions(c.Actions), c.Reason}
	}
	columns := []string{"Time", "Client", "Server", "Over", "Did", "Why it is here"}
	return []section{
		table("new", "New links", "Links that began after the learning time.", "No link began after the learning time.", columns, r.New, change),
		table("new-deeds", "New on known links", "Done for the first time after the learning time, over links that were known.", "Nothing new was done over known links.",
			[]string{"Time", "Client", "Server", "Over", "Did", "Object", "Count"}, r.NewDeeds, func(d *NewDeed) []string {
				return []string{stamp(d.First), d.Client.String(), d.Server.String(), d.Protocol, d.Action, d.Object, fmt.Sprint(d.Count)}
			}),
		table("silent", "Silent links", "Links that were in regular use and then fell silent.", "No link in regular use fell silent.", columns, r.Silent, change),
		table("changes", "Changes of devices", "What a device said of itself differently than before, the latest first.", "No device changed what it says of itself.",
			[]string{"Time", "Device", "What", "Before", "After", "Told by"}, r.Changes, func(c *DeviceChange) []string {
				return []string{stamp(c.Time), c.Device.String(), c.What, c.From, c.To, c.Source}
			}),
		table("conflicts", "Contradictions", "Devices of which two values of the same fact were seen.", "No device contradicted itself.",
			[]string{"Device", "Fact", "", "Values"}, r.Conflicts, func(c *Conflict) []string {
				kind := "contradiction"
				if c.Changed {
					kind = "changed"
				}
				return []string{c.Device.String(), strings.TrimSpace(c.Key + " " + c.Module), kind, strings.Join(c.Values, "; ")}
			}),
		table("duplicates", "Addresses in double use", "", "No address is in use by two devices.",
			[]string{"Address", "Devices", "Why it is here"}, r.Duplicates, func(d *Duplicate) []string {
				return []string{d.Address, parties(d.Devices), d.Reason}
			}),
	}
}

func (r *Report) unseen() []section {
	c := &r.Coverage
	read := section{ID: "coverage", Title: "What was understood", Lead: "Of the payload that the sensor saw or missed.",
		Columns: []string{"", "Bytes", "Share"}, Rows: [][]string{
			{"decoded into messages", size(c.Decoded), percent(c.DecodedShare)},
			{"protocol recognised, content not read", size(c.Recognised), percent(c.RecognisedShare)},
			{"protocol not known", size(c.Opaque), percent(c.OpaqueShare)},
			{"encrypted", size(c.Encrypted), percent(c.EncryptedShare)},
			{"lost before the sensor saw it", size(c.Lost), percent(c.LostShare)},
		}}
	return []section{
		read,
		table("unread", "Conversations that could not be read", "Half or more of their payload.", "Of every conversation more than half was read.",
			[]string{"Client", "Server", "Port", "Protocol", "Payload", "Unread", "Why"}, r.Unread, func(u *Unread) []string {
				return []string{u.Client.String(), u.Server.String(), fmt.Sprint(u.Port), u.Protocol, size(u.Payload), percent(u.Share), u.Reason}
			}),
		table("probes", "Asked to no avail", "Requests without answer, connections without content, addresses where nobody is: a scan, or a wrong address.",
			"Nobody asked to no avail.",
			[]string{"Client", "Servers", "Unanswered", "Empty", "Nobody there", "Ports"}, r.Probes, func(p *Probe) []string {
				return []string{p.Client.String(), fmt.Sprint(p.Servers), fmt.Sprint(p.Unanswered), fmt.Sprint(p.Empty), fmt.Sprint(p.Strangers), ports(p.Ports)}
			}),
		table("blind", "What the sensor did not see", "Conversations of which bytes are missing, or that could not be trusted.",
			"Of every conversation that it saw the sensor saw all.",
			[]string{"Client", "Server", "Port", "Protocol", "What"}, r.Blind, func(b *Blind) []string {
				return []string{b.Client.String(), b.Server.String(), fmt.Sprint(b.Port), b.Protocol, b.Reason}
			}),
	}
}

// namedParties is how many parties a cell names.
const namedParties = 6

func parties(all []Party) string {
	var names []string
	for _, p := range all[:min(len(all), namedParties)] {
		names = append(names, p.String())
	}
	text := joined(names)
	if n := len(all) - len(names); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// namedPorts is how many ports a cell names.
const namedPorts = 8

func ports(all []uint16) string {
	var names []string
	for _, p := range all[:min(len(all), namedPorts)] {
		names = append(names, fmt.Sprint(p))
	}
	if n := len(all) - len(names); n > 0 {
		names = append(names, fmt.Sprintf("and %d more", n))
	}
	return joined(names)
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func stamp(t time.Time) string { return t.UTC().Format(time.DateTime) }

// summarise says the report in a few sentences.
func (r *Report) summarise() []string {
	count := func(n int, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, many)
	}
	controllers, plant := 0, 0
	for _, l := range r.Levels {
		if l.Purdue == "0" || l.Purdue == "1" {
			controllers += len(l.Devices)
		}
	}
	for _, c := range r.Internet {
		if strings.HasPrefix(c.Reason, "plant") {
			plant++
		}
	}
	clients := make(map[string]bool)
	for _, c := range r.Commands {
		clients[cmp.Or(c.Client.Device, c.Client.IP)] = true
	}
	weak := 0
	for _, g := range r.Sessions {
		if g.Weak {
			weak++
		}
	}
	return []string{
		count(r.DeviceCount, "device", "devices") + ", of these " + count(controllers, "on the levels of control and process", "on the levels of control and process") + ".",
		count(len(r.Alerts), "alert", "alerts") + " and " + count(len(r.Signals), "signal", "signals") + ".",
		count(len(clients), "client", "clients") + " wrote to devices of the plant or took their program.",
		count(len(r.Crossings), "link", "links") + " to controllers from outside their zone; " + count(plant, "link", "links") + " between the plant and the Internet.",
		count(weak, "way", "ways") + " of opening sessions without signature, or as anybody.",
		count(len(r.New), "new link", "new links") + ", " + count(len(r.NewDeeds), "new deed", "new deeds") + " on known ones, " + count(len(r.Silent), "link", "links") + " fell silent.",
		fmt.Sprintf("Of the payload %s was decoded, %s encrypted, %s lost before the sensor saw it.",
			percent(r.Coverage.DecodedShare), percent(r.Coverage.EncryptedShare), percent(r.Coverage.LostShare)),
	}
}
