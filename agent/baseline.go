package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/cli"
)

var newsList = cli.List[graph.Novelty]{
	Empty: "nothing is new",
	Table: []cli.Column[graph.Novelty]{
		cli.Field("SINCE", func(n *graph.Novelty) string { return n.Time.UTC().Format(time.DateTime) }),
		cli.Field("CLIENT", func(n *graph.Novelty) string { return n.Client }),
		cli.Field("SERVER", func(n *graph.Novelty) string { return n.Server }),
		cli.Field("NEW", func(n *graph.Novelty) string {
			switch n.What {
			case "edge":
				return strings.TrimSpace(n.Protocol + " " + number(uint64(n.Port)))
			default:
				return strings.TrimSpace(n.Action + " " + n.Object)
			}
		}),
		cli.Field("EDGE", func(n *graph.Novelty) string { return n.Edge }),
	},
	More: []cli.Column[graph.Novelty]{
		cli.Field("WHAT", func(n *graph.Novelty) string { return n.What }),
		cli.Field("PROTOCOL", func(n *graph.Novelty) string { return n.Protocol }),
		cli.Field("COUNT", func(n *graph.Novelty) string { return strconv.FormatUint(n.Count, 10) }),
	},
}

func baselineCommand() *cobra.Command {
	return listCommand(&cobra.Command{
		Use:   "baseline",
		Short: "Show what is new since the learning time, and since when",
		Long: `Show the edges that were not there while the sensor learnt, what is done over known edges
that was not done then, and what is touched that was not touched. Approve what may be.`,
		Example: "  spanwatch-agent baseline --state ./state",
	}, newsList, func(snap *state.Snapshot) ([]graph.Novelty, error) { return graph.News(snap.Edges), nil }, nil)
}

// deciding is what the commands have in common that decide on the baseline.
type deciding struct {
	dir, note      string
	action, object string
	from, until    string
}

func (d *deciding) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.dir, "state", defaultState, "the sensor's state directory")
	f.StringVar(&d.note, "note", "", "why, for the audit log")
}

func (d *deciding) narrow(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.action, "action", "", "only this action over the edge: "+strings.Join(actionList, ", "))
	f.StringVar(&d.object, "object", "", "only this object, as baseline shows it")
}

func (d *deciding) times(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.from, "from", "", "what was first seen from this time of capture on, RFC 3339")
	f.StringVar(&d.until, "until", "", "what was first seen until this time of capture, RFC 3339")
}

// moment reads a flag that holds a time, or nothing.
func moment(flag, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, cli.Usagef("--%s %q is not a time like 2026-01-02T15:04:05Z", flag, text)
	}
	return &at, nil
}

// decide writes decisions on edges (none: on all) to the audit log, and says what they change.
func (d *deciding) decide(cmd *cobra.Command, out io.Writer, what string, ids []string) error {
	from, err := moment("from", d.from)
	if err != nil {
		return err
	}
	until, err := moment("until", d.until)
	if err != nil {
		return err
	}
	if err := oneOf("action", d.action, actionList); err != nil {
		return err
	}
	snap, err := known(cmd, d.dir)
	if err != nil {
		return err
	}
	base := graph.Decision{
		Time: time.Now().UTC(), Who: operator(), What: what, Action: d.action, Object: d.object, From: from, Until: until, Note: d.note,
	}
	if what == graph.DecisionApprove && until == nil { // what comes later is not approved
		last := latest(snap.Edges)
		base.Until = &last
	}
	decisions := []graph.Decision{base}
	if len(ids) > 0 {
		decisions = decisions[:0]
	}
	for _, id := range ids {
		k := slices.IndexFunc(snap.Edges, func(e graph.Edge) bool { return e.ID == id })
		if k < 0 {
			return cli.Usagef("no edge has the id %q: baseline shows them, and graph --format csv", id)
		}
		e, one := &snap.Edges[k], base
		one.Edge, one.Client, one.Server, one.Protocol = id, e.ClientIP, e.ServerIP, e.Protocol
		decisions = append(decisions, one)
	}
	before := len(graph.News(snap.Edges))
	graph.Decide(snap.Edges, decisions)
	if err := state.Decide(d.dir, decisions...); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: written to the audit log; new were %d, are %d\n", what, before, len(graph.News(snap.Edges)))
	return err
}

// latest is the last time of capture.
func latest(edges []graph.Edge) (last time.Time) {
	for k := range edges {
		if edges[k].LastSeen.After(last) {
			last = edges[k].LastSeen
		}
	}
	return last
}

// operator is who decides, as far as the system knows.
func operator() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	name := os.Getenv("SUDO_USER")
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	return cmp.Or(name, strconv.Itoa(os.Getuid())) + "@" + host
}

func approveCommand() *cobra.Command {
	var d deciding
	var all bool
	cmd := &cobra.Command{
		Use:   "approve EDGE... | --all",
		Short: "Approve what is new",
		Long: `Approve edges that are new, with what was done over them until now; with --action and
--object only that. EDGE is an id that baseline shows. The decision is kept in the audit log of
the state directory, and holds for later runs.`,
		Example: `  spanwatch-agent approve 1d351965d1515f7f --note "work order 4711"
  spanwatch-agent approve --all --state ./state`,
		Args: cli.Arguments(cobra.ArbitraryArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return cli.Usagef("approve needs ids of edges, or --all (see %s --help)", cmd.CommandPath())
			}
			return d.decide(cmd, os.Stdout, graph.DecisionApprove, args)
		},
	}
	d.flags(cmd)
	d.narrow(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "approve everything that is new")
	return cmd
}

func learnCommand() *cobra.Command {
	var d deciding
	cmd := &cobra.Command{
		Use:   "learn [--from TIME] [--until TIME]",
		Short: "Take what was first seen in a time as ordinary",
		Long: `Take what was first seen in a time of capture as ordinary, beside what the sensor learnt in
its learning time. The decision is kept in the audit log of the state directory.`,
		Example: "  spanwatch-agent learn --from 2026-05-01T00:00:00Z --until 2026-05-14T00:00:00Z",
		Args:    cli.Arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if d.from == "" && d.until == "" {
				return cli.Usagef("learn needs --from, --until, or both (see %s --help)", cmd.CommandPath())
			}
			return d.decide(cmd, os.Stdout, graph.DecisionLearn, args)
		},
	}
	d.flags(cmd)
	d.times(cmd)
	return cmd
}

func unlearnCommand() *cobra.Command {
	var d deciding
	cmd := &cobra.Command{
		Use:   "unlearn EDGE... | --from TIME --until TIME",
		Short: "Take what was learnt or approved as new again",
		Example: `  spanwatch-agent unlearn 1d351965d1515f7f
  spanwatch-agent unlearn --from 2026-05-03T00:00:00Z --until 2026-05-04T00:00:00Z`,
		Args: cli.Arguments(cobra.ArbitraryArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && d.from == "" && d.until == "" {
				return cli.Usagef("unlearn needs ids of edges, or --from and --until (see %s --help)", cmd.CommandPath())
			}
			return d.decide(cmd, os.Stdout, graph.DecisionUnlearn, args)
		},
	}
	d.flags(cmd)
	d.narrow(cmd)
	d.times(cmd)
	return cmd
}
