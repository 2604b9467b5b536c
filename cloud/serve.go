package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/spanwatch/spanwatch/cli"
	"github.com/spanwatch/spanwatch/cloud/authority"
	"github.com/spanwatch/spanwatch/cloud/incident"
	"github.com/spanwatch/spanwatch/cloud/ingest"
	"github.com/spanwatch/spanwatch/cloud/store"
	"github.com/spanwatch/spanwatch/cloud/web"
)

// listeners are the sockets of the collector; those that are not wanted are nil. They are opened before anything else, so
// that an address that is taken is said at once.
type listeners struct{ sensors, web, admin net.Listener }

func listen(ctx context.Context, o options) (*listeners, error) {
	l := &listeners{}
	for _, want := range []struct {
		flag, address string
		into          *net.Listener
	}{{"--listen", o.listen, &l.sensors}, {"--web", o.web, &l.web}, {"--admin", o.admin, &l.admin}} {
		if want.address == "" && want.flag != "--listen" {
			continue
		}
		if _, _, err := net.SplitHostPort(want.address); err != nil {
			l.close()
			return nil, cli.Usagef("%s %q: give HOST:PORT", want.flag, want.address)
		}
		var err error
		if *want.into, err = new(net.ListenConfig).Listen(ctx, "tcp", want.address); err != nil {
			l.close()
			return nil, fmt.Errorf("%s %s: cannot listen there (%w): choose another address, or stop what has it", want.flag, want.address, err)
		}
	}
	return l, nil
}

func (l *listeners) close() {
	for _, x := range []net.Listener{l.sensors, l.web, l.admin} {
		if x != nil {
			x.Close()
		}
	}
}

// serve runs the services on their sockets until ctx ends or one of them fails.
func serve(ctx context.Context, l *listeners, s store.Store, config *tls.Config, log *slog.Logger) error {
	incidents := incident.New(s, log)
	if err := incidents.CatchUp(ctx); err != nil {
		return err
	}
	sensors := ingest.New(ingest.Config{
		Store: s, Log: log, Identify: authority.Sensor,
		OnAlerts: func(ctx context.Context, site string, alerts []store.Alert) {
			// What fails here is caught up with at the next start.
			if err := incidents.Correlate(ctx, site, alerts); err != nil {
				log.Error("cannot make incidents of alerts", "site", site, "error", err)
			}
		},
		OnDevices: func(ctx context.Context, site string, devices []store.Device) {
			if err := incidents.Devices(ctx, site, devices); err != nil {
				log.Error("cannot bring the names in incidents up to date", "site", site, "error", err)
			}
		},
	})
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics.MustRegister(sensors.Metrics()...)

	group, ctx := errgroup.WithContext(ctx)
	log.Info("waiting for sensors", "address", l.sensors.Addr())
	group.Go(func() error { return sensors.Serve(ctx, l.sensors, config) })
	if l.web != nil {
		log.Info("pages", "address", "http://"+l.web.Addr().String())
		group.Go(func() error { return cli.Serve(ctx, l.web, web.New(web.Config{Store: s, Log: log}), log) })
	}
	if l.admin != nil {
		log.Info("health and metrics", "address", "http://"+l.admin.Addr().String())
		group.Go(func() error { return cli.Serve(ctx, l.admin, admin(s, metrics), log) })
	}
	err := group.Wait()
	log.Info("stopped")
	return err
}

// admin answers those who watch the collector: it lives, it can read its store, and what it counts.
func admin(s store.Reader, metrics *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.Sites(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return mux
}
