package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/spanwatch/spanwatch/agent/admin"
	"github.com/spanwatch/spanwatch/agent/privilege"
	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/capture/live"
	"github.com/spanwatch/spanwatch/cli"
)

// runOptions is what the command line says.
type runOptions struct {
	sensor sensor.Config
	listen live.Config
	config string
	admin  string
	mode   string
	user   string
}

func runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [-c FILE] --interface IF",
		Short: "Run the sensor on network interfaces",
		Long: `Listen to interfaces, as to a mirror port, until it is told to stop. It sends nothing there.
Of the best way to get at the frames that the machine allows it says which, and why no better one.

SIGHUP makes it read the file of verdicts again.`,
		Example: `  spanwatch-agent run --interface eth1 --site Plant1
  spanwatch-agent run -c /etc/spanwatch/agent.yaml`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.settle(cmd); err != nil {
				return err
			}
			return o.start(cmd.Context(), cli.Logger())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.config, "config", "c", "", "configuration file (YAML); flags win")
	f.StringArrayVar(&o.listen.Interfaces, "interface", nil, "interface to listen to; may be given several times")
	f.StringVar(&o.mode, "mode", "", "how frames come from the kernel: auto, xdp-native, xdp-generic, filter or plain (default auto)")
	f.StringVar(&o.sensor.Site, "site", "", "name of the site (default: the site of the certificate, else "+state.DefaultSite+")")
	f.StringVar(&o.sensor.StateDir, "state", "", "state directory (default "+defaultState+")")
	f.StringVar(&o.sensor.Verdicts, "verdicts", "", "file of verdicts on devices: JSON lines, or CSV with a header")
	f.StringVar(&o.sensor.Collector, "collector", "", "HOST:PORT of the collector to send to")
	f.StringVar(&o.sensor.Identity, "identity", "", "directory with ca.crt, sensor.crt and sensor.key (default: identity in the state directory)")
	f.IntVar(&o.sensor.Workers, "workers", 0, "number of workers (default: one per processor)")
	f.StringVar(&o.user, "user", "", "user without privileges who reads the frames when started as root (default spanwatch, else nobody; root: no separation)")
	f.StringVar(&o.admin, "admin", "", "HOST:PORT for health and metrics (default: none)")
	return cmd
}

// settle puts flags and file together.
func (o *runOptions) settle(cmd *cobra.Command) error {
	if err := live.CheckMode(o.mode); err != nil {
		return cli.Usagef("--%w", err)
	}
	if cmd.Flags().Changed("workers") && (o.sensor.Workers < 1 || o.sensor.Workers > sensor.MaxWorkers) {
		return cli.Usagef("--workers %d: choose 1 to %d", o.sensor.Workers, sensor.MaxWorkers)
	}
	if name := twice(o.listen.Interfaces); name != "" {
		return cli.Usagef("--interface %s: named twice", name)
	}
	o.listen.Mode, o.listen.Promiscuous = live.Mode(o.mode), true
	if o.config != "" {
		file, err := sensor.ReadFile(o.config)
		if err != nil {
			return err
		}
		file.Apply(&o.sensor)
		file.Listen(&o.listen)
		if o.admin == "" {
			o.admin = file.Admin
		}
	}
	if len(o.listen.Interfaces) == 0 {
		return cli.Usagef("run needs an interface: name it with --interface, or as interfaces in the file of -c (see %s --help)", cmd.CommandPath())
	}
	if o.sensor.StateDir == "" {
		o.sensor.StateDir = defaultState
	}
	o.sensor.Version, o.sensor.DrainTimeout = release, 5*time.Second
	return nil
}

// twice gives a name that a list has more than once.
func twice(names []string) string {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return name
		}
	}
	return ""
}

// start separates what needs privileges from what reads frames, where it can, and runs the sensor.
func (o *runOptions) start(ctx context.Context, log *slog.Logger) error {
	child, err := privilege.Inherit()
	switch {
	case err != nil:
		return err
	case child != nil:
		o.listen.Opener = child
		return o.run(ctx, log, child.User)
	case os.Geteuid() != 0 || o.user == "root":
		return o.run(ctx, log, "")
	}
	account, err := privilege.Find(o.user)
	if err != nil {
		return err
	}
	code, err := privilege.Parent(ctx, account, o.sensor.StateDir, live.Local(), log)
	if errors.Is(err, privilege.ErrSeparate) {
		log.Warn("frames are read with the privileges of this process: it may not become another user", "error", err)
		return o.run(ctx, log, "")
	}
	if err == nil && code != cli.Done {
		return cli.Exit(code) // the child has said why
	}
	return err
}

// run runs the sensor until ctx ends. User is who it runs as, when it was separated from what needs privileges.
func (o *runOptions) run(ctx context.Context, log *slog.Logger, user string) error {
	o.sensor.Log = log
	if err := os.MkdirAll(o.sensor.StateDir, 0o700); err != nil {
		return err
	}
	listeners, err := admin.Listen(ctx, o.sensor.StateDir, o.admin)
	if err != nil {
		return err
	}
	defer listeners.Close()
	s, err := sensor.NewLive(ctx, o.sensor, o.listen)
	if err != nil {
		return err
	}
	if err := o.confine(s, user); err != nil {
		return errors.Join(err, s.Close())
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	group.Go(func() error {
		defer cancel() // the others serve the sensor
		return s.Run(ctx)
	})
	group.Go(func() error { return admin.Serve(ctx, listeners, s, log) })
	group.Go(func() error {
		attend(ctx, s, hangups, log)
		return nil
	})
	return group.Wait()
}

// confine shuts the process in before it reads the first frame.
func (o *runOptions) confine(s *sensor.Live, user string) error {
	walls := privilege.Walls{Write: []string{o.sensor.StateDir}, Read: []string{o.sensor.Verdicts, o.sensor.Identity, o.config}}
	// Whoever writes the verdicts may put a new file in the place of the old one.
	if dir := filepath.Dir(o.sensor.Verdicts); o.sensor.Verdicts != "" && dir != "/" {
		walls.Read = append(walls.Read, dir)
	}
	stands, err := privilege.Confine(walls)
	if err != nil {
		return err
	}
	who := "one process with the privileges it was started with"
	if user != "" {
		who = "separated: frames are read by user " + user + " without capabilities"
	}
	s.SetPrivileges(who + "; " + stands)
	return nil
}

// attend answers the service manager and its signals. Without a service manager its notices go nowhere.
func attend(ctx context.Context, s *sensor.Live, hangups <-chan os.Signal, log *slog.Logger) {
	notify := func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("the service manager cannot be told", "error", err)
		}
	}
	defer notify(daemon.SdNotifyStopping)
	working := s.Working()
	var alive <-chan time.Time
	if every, err := daemon.SdWatchdogEnabled(false); err == nil && every > 0 {
		tick := time.NewTicker(every / 2)
		defer tick.Stop()
		alive = tick.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-working:
			notify(daemon.SdNotifyReady)
			working = nil
		case <-hangups:
			if err := s.Reload(); err != nil {
				log.Error("the verdicts in force stay: the file cannot be read", "error", err)
			}
		case <-alive:
			if err := s.Alive(); err != nil {
				log.Error("the watchdog is not told: the sensor is stuck", "error", err)
				continue
			}
			notify(daemon.SdNotifyWatchdog)
		}
	}
}
