package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/cli"
	"github.com/spanwatch/spanwatch/cloud/authority"
	"github.com/spanwatch/spanwatch/cloud/store"
)

var siteList = cli.List[store.Site]{
	Table: []cli.Column[store.Site]{
		cli.Field("NAME", func(s *store.Site) string { return s.Name }),
		cli.Field("LOCATION", func(s *store.Site) string { return s.Location }),
		cli.Field("SENSORS", func(s *store.Site) string { return strconv.Itoa(s.Sensors) }),
		cli.Field("DEVICES", func(s *store.Site) string { return strconv.Itoa(s.Devices) }),
		cli.Field("DESCRIPTION", func(s *store.Site) string { return s.Description }),
	},
	More:  []cli.Column[store.Site]{cli.Field("CREATED", func(s *store.Site) string { return cli.Stamp(s.Created) })},
	Empty: "no sites: add one with spanwatch-cloud site add NAME",
}

var sensorList = cli.List[store.Sensor]{
	Table: []cli.Column[store.Sensor]{
		cli.Field("SITE", func(s *store.Sensor) string { return s.Site }),
		cli.Field("NAME", func(s *store.Sensor) string { return s.Name }),
		cli.Field("VERSION", func(s *store.Sensor) string { return s.Version }),
		cli.Field("LAST SEEN", func(s *store.Sensor) string { return cli.Stamp(s.LastSeen) }),
		cli.Field("DROPPED", func(s *store.Sensor) string { return strconv.FormatUint(s.Dropped, 10) }),
	},
	Empty: "no sensor has connected yet: issue an identity with spanwatch-cloud certificate",
}

// group makes a command that only holds others.
func group(use, short, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

func siteCommand() *cobra.Command {
	list := listCommand(&cobra.Command{
		Use: "list", Short: "List sites", Example: "  spanwatch-cloud site list --format csv",
	}, siteList, func(ctx context.Context, s store.Reader) ([]store.Site, error) { return s.Sites(ctx) })
	return group("site", "Set up sites", "  spanwatch-cloud site add Plant1 --location Porto", siteAddCommand(), list, siteShowCommand())
}

func siteAddCommand() *cobra.Command {
	var at place
	var site store.Site
	cmd := &cobra.Command{
		Use:     "add NAME",
		Short:   "Add a site, or change the location and description of one",
		Example: "  spanwatch-cloud site add Plant1 --location Porto --description 'Paper mill'",
		Args:    cli.Arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			site.Name, site.Created = args[0], time.Now()
			if err := authority.CheckName("site", site.Name); err != nil {
				return cli.Usagef("%w", err)
			}
			s, err := at.open(cmd.Context())
			if err != nil {
				return err
			}
			return errors.Join(s.AddSite(cmd.Context(), site), s.Close())
		},
	}
	at.flags(cmd)
	cmd.Flags().StringVar(&site.Location, "location", "", "where it is")
	cmd.Flags().StringVar(&site.Description, "description", "", "what it is")
	return cmd
}

func siteShowCommand() *cobra.Command {
	var at place
	var format string
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show a site",
		Example: "  spanwatch-cloud site show Plant1 --format json",
		Args:    cli.Arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cli.CheckFormat(format, cli.Formats...); err != nil {
				return err
			}
			return at.read(cmd.Context(), func(s store.Store) error {
				sites, err := s.Sites(cmd.Context())
				if err != nil {
					return err
				}
				for _, site := range sites {
					if site.Name == args[0] {
						return siteList.Write(cmd.OutOrStdout(), format, []store.Site{site})
					}
				}
				return fmt.Errorf("there is no site %q: spanwatch-cloud site list shows them", args[0])
			})
		},
	}
	at.flags(cmd)
	cli.FormatFlag(cmd, &format, cli.Formats...)
	return cmd
}

func sensorCommand() *cobra.Command {
	var site string
	list := &cobra.Command{Use: "list", Short: "List sensors that have connected", Example: "  spanwatch-cloud sensor list --site Plant1"}
	list.Flags().StringVar(&site, "site", "", "only of this site")
	return group("sensor", "Look after sensors", "  spanwatch-cloud sensor list",
		listCommand(list, sensorList, func(ctx context.Context, s store.Reader) ([]store.Sensor, error) { return s.Sensors(ctx, site) }))
}

func certificateCommand() *cobra.Command {
	var at place
	var site, sensor, out string
	cmd := &cobra.Command{
		Use:   "certificate --site SITE --sensor NAME --out DIR",
		Short: "Issue the identity with which a sensor connects",
		Long: `certificate writes ca.crt, sensor.crt and sensor.key into a directory. Put the directory on the
sensor's machine. It binds the sensor to its site: nothing on the sensor can change that. Keep
sensor.key secret. A site that is not there yet is added.`,
		Example: "  spanwatch-cloud certificate --site Plant1 --sensor span-1 --out identity\n" +
			"  spanwatch-agent replay --site Plant1 --state state --collector collector.example:4317 plant.pcap # with state/identity",
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return cli.Usagef("--out DIR is needed (see %s --help)", cmd.CommandPath())
			}
			if err := firstError(authority.CheckName("site", site), authority.CheckName("sensor", sensor)); err != nil {
				return cli.Usagef("%w", err)
			}
			ca, err := authority.Open(filepath.Join(at.data, "authority"))
			if err != nil {
				return err
			}
			s, err := at.open(cmd.Context())
			if err != nil {
				return err
			}
			err = errors.Join(s.AddSite(cmd.Context(), store.Site{Name: site, Created: time.Now()}), s.Close())
			if err != nil {
				return err
			}
			until, err := ca.Issue(site, sensor, out)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "identity of %s at %s written to %s; it is good until %s\n", sensor, site, out, until.UTC().Format(time.DateOnly))
			return nil
		},
	}
	at.flags(cmd)
	cmd.Flags().StringVar(&site, "site", "", "the sensor's site")
	cmd.Flags().StringVar(&sensor, "sensor", "", "the sensor's name, its own within the site")
	cmd.Flags().StringVar(&out, "out", "", "directory for the identity")
	return cmd
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
