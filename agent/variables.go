package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/process"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/cli"
)

// variableFilter says which variables are shown.
type variableFilter struct {
	device, object, kind, zone string
	changed                    bool
	from                       since
}

func variablesCommand() *cobra.Command {
	var f variableFilter
	cmd := listCommand(&cobra.Command{
		Use:   "variables",
		Short: "Show the process variables: values, who wrote them, how they behave",
		Long: `Show what registers, coils, data blocks, nodes and points of the site's devices hold:
the last value, the range and mean, who wrote it, and whether it left the range that it
kept to in the learning time. A type with a question mark is a guess.

With --history it shows the changes of each variable in place of the variable: what
the value was before and after, and who wrote it.`,
		Example: `  spanwatch-agent variables --state ./state --device 10.20.10.11 --changed
  spanwatch-agent variables --state ./state --object 'holding-register 0' --history
  spanwatch-agent variables --zone cell1 --since 5m --watch
  spanwatch-agent variables --state ./state --format json | jq 'select(.stale)'`,
	}, variableList, f.variables, nil)
	flags := cmd.Flags()
	flags.StringVar(&f.device, "device", "", "only of this device: address, network, id, or a part of the name")
	flags.StringVar(&f.object, "object", "", "only objects whose name contains this text")
	flags.StringVar(&f.kind, "type", "", "only of devices of this type: "+strings.Join(inventory.Types(), ", "))
	flags.StringVar(&f.zone, "zone", "", "only of devices in this zone")
	flags.BoolVar(&f.changed, "changed", false, "only variables whose value changed, or that somebody tried to write")
	f.from.flag(flags, "variables seen, or changes,")
	return instead(cmd, "history", "show the changes of each variable", listCommand(&cobra.Command{}, changeList, f.changes, nil))
}

// variables gives the variables that are asked for.
func (f *variableFilter) variables(snap *state.Snapshot) ([]process.Variable, error) {
	start, fits, err := f.settle(snap)
	if err != nil {
		return nil, err
	}
	return f.load(snap, func(v *process.Variable) bool { return fits(v) && (v.LastTime == nil || !v.LastTime.Before(start)) })
}

// changes gives the changes of the variables that are asked for.
func (f *variableFilter) changes(snap *state.Snapshot) ([]changed, error) {
	start, fits, err := f.settle(snap)
	if err != nil {
		return nil, err
	}
	list, err := f.load(snap, fits)
	return filtered(changesOf(list), func(c *changed) bool { return !c.Time.Before(start) }), err
}

// settle checks the flags, and gives the time from which on something is asked for, and what variables are.
func (f *variableFilter) settle(snap *state.Snapshot) (start time.Time, fits func(*process.Variable) bool, err error) {
	if err := firstError(oneOf("type", f.kind, inventory.Types()), oneOf("zone", f.zone, zones(snap))); err != nil {
		return start, nil, err
	}
	of := newWho(f.device, snap)
	devices := make(map[string]bool)
	addresses := make(map[string]bool) // the variables of a unit behind a gateway bear the gateway's
	for i := range snap.Devices {
		d := &snap.Devices[i]
		if (f.kind == "" || d.Type == f.kind) && (f.zone == "" || d.Zone == f.zone) && of.is(d.ID, "") {
			devices[d.ID] = true
			for _, a := range slices.Concat(d.IPs, d.MACs) {
				addresses[a] = true
			}
		}
	}
	all := f.kind == "" && f.zone == "" && f.device == ""
	return f.from.from(snap), func(v *process.Variable) bool {
		return (all || devices[v.Device] || addresses[v.IP]) && (!f.changed || v.Changes > 0 || len(v.History) > 0) && contains(v.Object, f.object)
	}, nil
}

func (f *variableFilter) load(snap *state.Snapshot, fits func(*process.Variable) bool) (list []process.Variable, err error) {
	p := process.New(process.Unbounded, nil)
	if err := p.Load(snap.Process); err != nil {
		return nil, err
	}
	for v := range p.Variables() {
		if fits(&v) {
			list = append(list, v)
		}
	}
	return list, nil
}

// changed is one change of a variable, as it is listed.
type changed struct {
	Device string `json:"device"`
	IP     string `json:"ip"`
	Object string `json:"object"`
	process.Change
}

func changesOf(list []process.Variable) []changed {
	var all []changed
	for i := range list {
		for _, c := range list[i].History {
			all = append(all, changed{list[i].Device, list[i].IP, list[i].Object, c})
		}
	}
	slices.SortStableFunc(all, func(a, b changed) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.IP, b.IP))
	})
	return all
}

var variableList = cli.List[process.Variable]{
	Empty: "no process variables are known yet",
	Table: []cli.Column[process.Variable]{
		cli.Field("DEVICE", func(v *process.Variable) string { return v.IP }),
		cli.Field("OBJECT", func(v *process.Variable) string { return brief(v.Object, 24) }),
		cli.Field("TYPE", func(v *process.Variable) string { return typeText(v) }),
		cli.Long("LAST", func(v *process.Variable) string { return lastText(v) }),
		cli.Long("RANGE", func(v *process.Variable) string { return rangeText(v) }),
		cli.Field("WRITER", func(v *process.Variable) string { return v.LastWriter }),
	},
	More: []cli.Column[process.Variable]{
		cli.Field("DEVICE ID", func(v *process.Variable) string { return v.Device }),
		cli.Field("NAME", func(v *process.Variable) string { return v.Object }),
		cli.Field("VALUE", func(v *process.Variable) string { return valueText(v.Last) }),
		cli.Field("MIN", func(v *process.Variable) string { return measure(v.Min) }),
		cli.Field("MAX", func(v *process.Variable) string { return measure(v.Max) }),
		cli.Field("MEAN", func(v *process.Variable) string { return measure(v.Mean) }),
		cli.Field("COUNT", func(v *process.Variable) string { return strconv.FormatUint(v.Count, 10) }),
		cli.Field("CHANGES", func(v *process.Variable) string { return strconv.FormatUint(uint64(v.Changes), 10) }),
		cli.Field("OUTSIDE", func(v *process.Variable) string { return strconv.FormatUint(uint64(v.Outside), 10) }),
		cli.Field("STALE", func(v *process.Variable) string { return strconv.FormatBool(v.Stale) }),
		cli.Field("PERIOD SECONDS", func(v *process.Variable) string { return measure(&v.Period) }),
		cli.Field("LAST TIME", func(v *process.Variable) string { return stampOf(v.LastTime) }),
		cli.Field("LAST CHANGE", func(v *process.Variable) string { return stampOf(v.LastChange) }),
	},
}

var changeList = cli.List[changed]{
	Empty: "no changes are known",
	Table: []cli.Column[changed]{
		cli.Field("TIME", func(c *changed) string { return c.Time.UTC().Format("01-02 15:04:05") }),
		cli.Field("DEVICE", func(c *changed) string { return c.IP }),
		cli.Field("OBJECT", func(c *changed) string { return brief(c.Object, 18) }),
		cli.Long("CHANGE", func(c *changed) string { return short(c.Before) + " → " + short(c.Value) }),
		cli.Field("HOW", func(c *changed) string { return c.How }),
		cli.Field("BY", func(c *changed) string { return c.By }),
	},
	More: []cli.Column[changed]{
		cli.Field("WHEN", func(c *changed) string { return c.Time.UTC().Format(time.RFC3339Nano) }),
		cli.Field("NAME", func(c *changed) string { return c.Object }),
		cli.Field("BEFORE", func(c *changed) string { return valueText(c.Before) }),
		cli.Field("AFTER", func(c *changed) string { return valueText(c.Value) }),
		cli.Field("DEVICE ID", func(c *changed) string { return c.Device }),
	},
}

func valueText(v process.Value) string {
	if !v.Known {
		return ""
	}
	return v.Text
}

// lastText gives the last value with marks: "!" where it is out of its envelope, "~" where its poll has stopped.
func lastText(v *process.Variable) string {
	text := short(v.Last)
	if v.IsOutside {
		text += " !"
	}
	if v.Stale {
		text += " ~"
	}
	return text
}

// typeText gives the type as the table has room for it.
func typeText(v *process.Variable) string {
	text := strings.Replace(v.Type, " (words swapped)", "⇄", 1)
	if v.Guessed {
		text += "?"
	}
	return text
}

// brief gives the name of an object as the table has room for it.
func brief(object string, width int) string {
	return shortened(strings.Replace(object, " unit ", " u", 1), width)
}

// short gives a value with as many digits as a table has room for.
func short(v process.Value) string {
	if x, err := strconv.ParseFloat(v.Text, 64); err == nil && v.Number && strings.ContainsAny(v.Text, ".e") {
		return fmt.Sprintf("%.5g", x)
	}
	return shortened(v.String(), 12)
}

func rangeText(v *process.Variable) string {
	switch {
	case v.Min == nil:
		return ""
	case *v.Min == *v.Max:
		return fmt.Sprintf("%.4g", *v.Min)
	}
	return fmt.Sprintf("%.4g–%.4g", *v.Min, *v.Max)
}

// shortened cuts the middle out of a long name: its end tells it from its neighbours.
func shortened(text string, width int) string {
	r := []rune(text)
	if len(r) <= width {
		return text
	}
	return string(r[:width/2-1]) + "…" + string(r[len(r)-width/2:])
}

// measure gives a number with as many digits as people read.
func measure(x *float64) string {
	if x == nil {
		return ""
	}
	return fmt.Sprintf("%.6g", *x)
}

func stampOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return cli.Stamp(*t)
}
