// Package admin answers those who look after a running sensor: is it alive, does it see what it should, what does it
// count. It listens where the operator says, and on a socket in the state directory for the commands of the same host.
//
// It owns no state of the sensor; it asks for it. Nothing here listens on a monitored interface unless told to.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/cli"
)

// Sensor is what is asked.
type Sensor interface {
	Health() sensor.Health
	Alive() error
	Ready() error
	Save(context.Context) error
}

// Listeners are the sockets of a Server; nil where not wanted.
type Listeners struct {
	Local net.Listener // in the state directory
	TCP   net.Listener
}

// maxPath is how long the name of a socket may be (sun_path of unix(7), with a zero at its end).
const maxPath = 107

// Listen opens the socket in the state directory and, unless address is empty, one for health and metrics.
func Listen(ctx context.Context, state, address string) (*Listeners, error) {
	l := new(Listeners)
	var err error
	if address != "" {
		if l.TCP, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err != nil {
			return nil, fmt.Errorf("admin: %w: choose another address with --admin", err)
		}
	}
	path := filepath.Join(state, socketName)
	if len(path) > maxPath {
		return nil, errors.Join(fmt.Errorf("admin: %s is %d bytes too long for the name of a socket: choose a shorter --state", path, len(path)-maxPath), l.Close())
	}
	if conn, err := net.Dial("unix", path); err == nil {
		return nil, errors.Join(fmt.Errorf("admin: a sensor is running already on %s: stop it, or choose another --state", state),
			conn.Close(), l.Close())
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("admin: %w", err), l.Close())
	}
	if l.Local, err = new(net.ListenConfig).Listen(ctx, "unix", path); err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("admin: %w", err), l.Close())
	}
	return l, nil
}

// Close closes the sockets.
func (l *Listeners) Close() error {
	var err error
	for _, x := range []net.Listener{l.Local, l.TCP} {
		if x != nil {
			err = errors.Join(err, x.Close())
		}
	}
	return err
}

// Serve answers until ctx ends.
func Serve(ctx context.Context, l *Listeners, s Sensor, log *slog.Logger) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &metrics{s})
	open := http.NewServeMux()
	answer := func(check func() error) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if err := check(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			fmt.Fprintln(w, "ok")
		}
	}
	open.Handle("GET /healthz", answer(s.Alive))
	open.Handle("GET /readyz", answer(s.Ready))
	open.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	local := http.NewServeMux()
	local.Handle("/", open)
	local.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Health()) // the reader may have gone
	})
	local.HandleFunc("POST /save", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Save(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	group, ctx := errgroup.WithContext(ctx)
	for _, x := range []struct {
		listener net.Listener
		handler  http.Handler
	}{{l.Local, local}, {l.TCP, open}} {
		if x.listener != nil {
			group.Go(func() error { return cli.Serve(ctx, x.listener, x.handler, log) })
		}
	}
	return group.Wait()
}
