package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/cli"
	"github.com/spanwatch/spanwatch/cloud/authority"
)

// options are what run is told.
type options struct {
	place
	listen, web, admin string
	names              []string
}

func runCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the collector until it is interrupted",
		Long: `run takes records from sensors, makes incidents of their alerts, and serves the pages.

On its first run it makes its own certificate authority in the data directory. The certificate that it
shows to sensors is for localhost, this machine's name, the address of --listen and every --name.`,
		Example: "  spanwatch-cloud run\n" +
			"  spanwatch-cloud run --data /srv/spanwatch --listen 0.0.0.0:4317 --name collector.example --admin 127.0.0.1:9180",
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runCollector(cmd.Context(), o, cli.Logger())
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:4317", "address for sensors")
	cmd.Flags().StringVar(&o.web, "web", "127.0.0.1:8480", "address of the pages; loopback only, for they ask for no login; empty: no pages")
	cmd.Flags().StringVar(&o.admin, "admin", "", "address for /healthz, /readyz and /metrics (default: none)")
	cmd.Flags().StringArrayVar(&o.names, "name", nil, "another name or address under which sensors reach the collector; repeat it for several")
	return cmd
}

// runCollector wires everything and serves until ctx ends.
func runCollector(ctx context.Context, o options, log *slog.Logger) error {
	if err := checkWeb(o.web); err != nil {
		return err
	}
	listeners, err := listen(ctx, o)
	if err != nil {
		return err
	}
	defer listeners.close()
	ca, err := authority.Open(filepath.Join(o.data, "authority"))
	if err != nil {
		return err
	}
	config, err := ca.TLS(serverNames(o))
	if err != nil {
		return err
	}
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, listeners, s, config, log), s.Close())
}

// serverNames gives the names that sensors may reach the collector under.
func serverNames(o options) []string {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, o.names...)
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	if host, _, err := net.SplitHostPort(o.listen); err == nil {
		if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
			names = append(names, host)
		}
	}
	return names
}

// checkWeb refuses an address of the pages that others than this machine could reach.
func checkWeb(address string) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return cli.Usagef("--web %q: give HOST:PORT, such as 127.0.0.1:8480", address)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return cli.Usagef("--web %q: the pages ask for no login yet, so they are served on loopback only: choose 127.0.0.1:PORT "+
			"and reach it through an SSH tunnel or a proxy that asks for one", address)
	}
	return nil
}
