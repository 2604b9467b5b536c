package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/cloud/store"
)

var incidentList = listing[store.Incident]{
	table: []column[store.Incident]{
		{"ID", func(i *store.Incident) string { return strconv.FormatInt(i.ID, 10) }},
		{"SEVERITY", func(i *store.Incident) string { return i.Severity }},
		{"LEVEL", func(i *store.Incident) string { return i.Level }},
		{"STATUS", func(i *store.Incident) string { return i.Status }},
		{"SITE", func(i *store.Incident) string { return i.Site }},
		{"LAST SEEN", func(i *store.Incident) string { return stamp(i.LastSeen) }},
		{"ALERTS", func(i *store.Incident) string { return strconv.Itoa(len(i.Alerts)) }},
		{"TITLE", func(i *store.Incident) string { return i.Title }},
	},
	more: []column[store.Incident]{
		{"PRODUCT", func(i *store.Incident) string { return i.Product }},
		{"FIRST SEEN", func(i *store.Incident) string { return stamp(i.FirstSeen) }},
		{"DEVICES", func(i *store.Incident) string { return strings.Join(i.Devices, " ") }},
		{"SUMMARY", func(i *store.Incident) string { return i.Summary }},
	},
	empty: "no incidents",
}

var alertList = listing[store.Alert]{
	table: []column[store.Alert]{
		{"TIME", func(a *store.Alert) string { return stamp(a.Time) }},
		{"SEVERITY", func(a *store.Alert) string { return a.Severity }},
		{"LEVEL", func(a *store.Alert) string { return a.Level }},
		{"SITE", func(a *store.Alert) string { return a.Site }},
		{"ACTOR", func(a *store.Alert) string { return a.ActorIP }},
		{"TARGET", func(a *store.Alert) string { return a.TargetIP }},
		{"RULE", func(a *store.Alert) string { return a.Rule }},
		{"INCIDENT", func(a *store.Alert) string { return numbered(a.Incident) }},
	},
	more: []column[store.Alert]{
		{"ID", func(a *store.Alert) string { return a.ID }},
		{"TITLE", func(a *store.Alert) string { return a.Title }},
		{"LAST TIME", func(a *store.Alert) string { return stamp(a.LastTime) }},
		{"PROTOCOL", func(a *store.Alert) string { return a.Protocol }},
		{"TECHNIQUES", func(a *store.Alert) string { return strings.Join(a.Techniques, " ") }},
		{"COUNT", func(a *store.Alert) string { return strconv.FormatUint(a.Count, 10) }},
		{"SENSOR", func(a *store.Alert) string { return a.Sensor }},
		{"RECEIVED", func(a *store.Alert) string { return stamp(a.Received) }},
		{"DESCRIPTION", func(a *store.Alert) string { return a.Description }},
	},
	empty: "no alerts",
}

var deviceList = listing[store.Device]{
	table: []column[store.Device]{
		{"SITE", func(d *store.Device) string { return d.Site }},
		{"ADDRESS", func(d *store.Device) string { return first(append(append([]string{}, d.IPs...), d.MACs...)) }},
		{"NAME", func(d *store.Device) string { return first(d.Names) }},
		{"TYPE", func(d *store.Device) string { return d.Type }},
		{"VENDOR", func(d *store.Device) string { return d.Vendor }},
		{"MODEL", func(d *store.Device) string { return d.Model }},
		{"FIRMWARE", func(d *store.Device) string { return d.Firmware }},
		{"COMPROMISE", func(d *store.Device) string { return d.Compromise.State }},
	},
	more: []column[store.Device]{
		{"ID", func(d *store.Device) string { return d.ID }},
		{"PARENT", func(d *store.Device) string { return d.Parent }},
		{"IPS", func(d *store.Device) string { return strings.Join(d.IPs, " ") }},
		{"MACS", func(d *store.Device) string { return strings.Join(d.MACs, " ") }},
		{"NAMES", func(d *store.Device) string { return strings.Join(d.Names, " ") }},
		{"SERIAL", func(d *store.Device) string { return d.Serial }},
		{"CATEGORY", func(d *store.Device) string { return d.Category }},
		{"PURDUE", func(d *store.Device) string { return d.Purdue }},
		{"ZONE", func(d *store.Device) string { return d.Zone }},
		{"CRITICALITY", func(d *store.Device) string { return d.Criticality }},
		{"PROTOCOLS", func(d *store.Device) string { return strings.Join(d.Protocols, " ") }},
		{"SENSOR", func(d *store.Device) string { return d.Sensor }},
		{"FIRST SEEN", func(d *store.Device) string { return stamp(d.FirstSeen) }},
		{"LAST SEEN", func(d *store.Device) string { return stamp(d.LastSeen) }},
	},
	empty: "no devices",
}

// numbered gives an id; 0 is none.
func numbered(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

// listCommand makes a command that lists records of the store.
func listCommand[R any](cmd *cobra.Command, l listing[R], get func(context.Context, store.Reader) ([]R, error)) *cobra.Command {
	var at place
	var format string
	at.flags(cmd)
	formatFlag(cmd, &format)
	cmd.Args = arguments(cobra.NoArgs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkFormat(format); err != nil {
			return err
		}
		return at.read(cmd.Context(), func(s store.Store) error {
			records, err := get(cmd.Context(), s)
			if err != nil {
				return err
			}
			return l.write(cmd.OutOrStdout(), format, records)
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
