package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/cli"
	"github.com/spanwatch/spanwatch/cloud/store"
)

var incidentList = cli.List[store.Incident]{
	Table: []cli.Column[store.Incident]{
		cli.Field("ID", func(i *store.Incident) string { return strconv.FormatInt(i.ID, 10) }),
		cli.Field("SEVERITY", func(i *store.Incident) string { return i.Severity }),
		cli.Field("LEVEL", func(i *store.Incident) string { return i.Level }),
		cli.Field("STATUS", func(i *store.Incident) string { return i.Status }),
		cli.Field("SITE", func(i *store.Incident) string { return i.Site }),
		cli.Field("LAST SEEN", func(i *store.Incident) string { return cli.Stamp(i.LastSeen) }),
		cli.Field("ALERTS", func(i *store.Incident) string { return strconv.Itoa(len(i.Alerts)) }),
		cli.Field("TITLE", func(i *store.Incident) string { return i.Title }),
	},
	More: []cli.Column[store.Incident]{
		cli.Field("PRODUCT", func(i *store.Incident) string { return i.Product }),
		cli.Field("FIRST SEEN", func(i *store.Incident) string { return cli.Stamp(i.FirstSeen) }),
		cli.Field("DEVICES", func(i *store.Incident) string { return strings.Join(i.Devices, " ") }),
		cli.Field("SUMMARY", func(i *store.Incident) string { return i.Summary }),
	},
	Empty: "no incidents",
}

var alertList = cli.List[store.Alert]{
	Table: []cli.Column[store.Alert]{
		cli.Field("TIME", func(a *store.Alert) string { return cli.Stamp(a.Time) }),
		cli.Field("SEVERITY", func(a *store.Alert) string { return a.Severity }),
		cli.Field("LEVEL", func(a *store.Alert) string { return a.Level }),
		cli.Field("SITE", func(a *store.Alert) string { return a.Site }),
		cli.Field("ACTOR", func(a *store.Alert) string { return a.ActorIP }),
		cli.Field("TARGET", func(a *store.Alert) string { return a.TargetIP }),
		cli.Field("RULE", func(a *store.Alert) string { return a.Rule }),
		cli.Field("INCIDENT", func(a *store.Alert) string { return numbered(a.Incident) }),
	},
	More: []cli.Column[store.Alert]{
		cli.Field("ID", func(a *store.Alert) string { return a.ID }),
		cli.Field("TITLE", func(a *store.Alert) string { return a.Title }),
		cli.Field("LAST TIME", func(a *store.Alert) string { return cli.Stamp(a.LastTime) }),
		cli.Field("PROTOCOL", func(a *store.Alert) string { return a.Protocol }),
		cli.Field("TECHNIQUES", func(a *store.Alert) string { return strings.Join(a.Techniques, " ") }),
		cli.Field("COUNT", func(a *store.Alert) string { return strconv.FormatUint(a.Count, 10) }),
		cli.Field("SENSOR", func(a *store.Alert) string { return a.Sensor }),
		cli.Field("RECEIVED", func(a *store.Alert) string { return cli.Stamp(a.Received) }),
		cli.Field("DESCRIPTION", func(a *store.Alert) string { return a.Description }),
	},
	Empty: "no alerts",
}

var deviceList = cli.List[store.Device]{
	Table: []cli.Column[store.Device]{
		cli.Field("SITE", func(d *store.Device) string { return d.Site }),
		cli.Field("ADDRESS", func(d *store.Device) string { return cli.First(append(append([]string{}, d.IPs...), d.MACs...)) }),
		cli.Field("NAME", func(d *store.Device) string { return cli.First(d.Names) }),
		cli.Field("TYPE", func(d *store.Device) string { return d.Type }),
		cli.Field("VENDOR", func(d *store.Device) string { return d.Vendor }),
		cli.Field("MODEL", func(d *store.Device) string { return d.Model }),
		cli.Field("FIRMWARE", func(d *store.Device) string { return d.Firmware }),
		cli.Field("COMPROMISE", func(d *store.Device) string { return d.Compromise.State }),
	},
	More: []cli.Column[store.Device]{
		cli.Field("ID", func(d *store.Device) string { return d.ID }),
		cli.Field("PARENT", func(d *store.Device) string { return d.Parent }),
		cli.Field("IPS", func(d *store.Device) string { return strings.Join(d.IPs, " ") }),
		cli.Field("MACS", func(d *store.Device) string { return strings.Join(d.MACs, " ") }),
		cli.Field("NAMES", func(d *store.Device) string { return strings.Join(d.Names, " ") }),
		cli.Field("SERIAL", func(d *store.Device) string { return d.Serial }),
		cli.Field("CATEGORY", func(d *store.Device) string { return d.Category }),
		cli.Field("PURDUE", func(d *store.Device) string { return d.Purdue }),
		cli.Field("ZONE", func(d *store.Device) string { return d.Zone }),
		cli.Field("CRITICALITY", func(d *store.Device) string { return d.Criticality }),
		cli.Field("PROTOCOLS", func(d *store.Device) string { return strings.Join(d.Protocols, " ") }),
		cli.Field("SENSOR", func(d *store.Device) string { return d.Sensor }),
		cli.Field("FIRST SEEN", func(d *store.Device) string { return cli.Stamp(d.FirstSeen) }),
		cli.Field("LAST SEEN", func(d *store.Device) string { return cli.Stamp(d.LastSeen) }),
	},
	Empty: "no devices",
}

// numbered gives an id; 0 is none.
func numbered(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

// listCommand makes a command that lists records of the store.
func listCommand[R any](cmd *cobra.Command, l cli.List[R], get func(context.Context, store.Reader) ([]R, error)) *cobra.Command {
	var at place
	var format string
	at.flags(cmd)
	cli.FormatFlag(cmd, &format, cli.Formats...)
	cmd.Args = cli.Arguments(cobra.NoArgs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cli.CheckFormat(format, cli.Formats...); err != nil {
			return err
		}
		return at.read(cmd.Context(), func(s store.Store) error {
			records, err := get(cmd.Context(), s)
			if err != nil {
				return err
			}
			return l.Write(cmd.OutOrStdout(), format, records)
		})
	}
	return cmd
}

func incidentsCommand() *cobra.Command {
	var f store.IncidentFilter
	cmd := &cobra.Command{
		Use:     "incidents",
		Short:   "List incidents, the latest first",
		Example: "  spanwatch-cloud incidents --site Plant1 --status new --format json",
	}
	cmd.Flags().StringVar(&f.Site, "site", "", "only of this site")
	cmd.Flags().StringVar(&f.Severity, "severity", "", "only informational, low, medium or high ones")
	cmd.Flags().StringVar(&f.Status, "status", "", "only new, active or closed ones")
	cmd.Flags().StringVar(&f.Search, "search", "", "only with this text in title, summary or devices")
	cmd.Flags().IntVar(&f.Limit, "limit", 0, "at most this many (0: all)")
	return listCommand(cmd, incidentList, func(ctx context.Context, s store.Reader) ([]store.Incident, error) { return s.Incidents(ctx, f) })
}

func alertsCommand() *cobra.Command {
	var f store.AlertFilter
	cmd := &cobra.Command{
		Use:     "alerts",
		Short:   "List alerts, the latest first",
		Example: "  spanwatch-cloud alerts --site Plant1 --severity high",
	}
	cmd.Flags().StringVar(&f.Site, "site", "", "only of this site")
	cmd.Flags().StringVar(&f.Severity, "severity", "", "only informational, low, medium or high ones")
	cmd.Flags().StringVar(&f.Level, "level", "", "only of this level: contact, read, engineering-read, write, control, effect")
	cmd.Flags().StringVar(&f.Rule, "rule", "", "only of this rule")
	cmd.Flags().StringVar(&f.Device, "device", "", "only with this device id as actor or target")
	cmd.Flags().Int64Var(&f.Incident, "incident", 0, "only those of this incident")
	cmd.Flags().IntVar(&f.Limit, "limit", 0, "at most this many (0: all)")
	return listCommand(cmd, alertList, func(ctx context.Context, s store.Reader) ([]store.Alert, error) { return s.Alerts(ctx, f) })
}

func devicesCommand() *cobra.Command {
	var f store.DeviceFilter
	cmd := &cobra.Command{
		Use:     "devices",
		Short:   "List devices",
		Example: "  spanwatch-cloud devices --site Plant1 --type plc --format csv",
	}
	cmd.Flags().StringVar(&f.Site, "site", "", "only of this site")
	cmd.Flags().StringVar(&f.Type, "type", "", "only of this type: plc, hmi, engineering-station, …")
	cmd.Flags().StringVar(&f.Category, "category", "", "only of this category: OT, Endpoint, Network device, IoT, Unknown")
	cmd.Flags().StringVar(&f.Search, "search", "", "only with this text in names, addresses, vendor or model")
	cmd.Flags().IntVar(&f.Limit, "limit", 0, "at most this many (0: all)")
	return listCommand(cmd, deviceList, func(ctx context.Context, s store.Reader) ([]store.Device, error) { return s.Devices(ctx, f) })
}
