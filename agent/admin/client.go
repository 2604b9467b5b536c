package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/agent/sensor"
)

// socketName is the socket's name in the state directory.
const socketName = "agent.sock"

// ErrNotRunning is wrapped when no sensor runs on a state directory.
var ErrNotRunning = errors.New("no sensor is running")

// Status asks the sensor that runs on a state directory how it is.
func Status(ctx context.Context, state string) (h sensor.Health, err error) {
	body, err := ask(ctx, state, http.MethodGet, "/status")
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(body, &h); err != nil {
		return h, fmt.Errorf("admin: the sensor's answer makes no sense: %w", err)
	}
	return h, nil
}

// Save asks the sensor that runs on a state directory to write what it knows now.
func Save(ctx context.Context, state string) error {
	_, err := ask(ctx, state, http.MethodPost, "/save")
	return err
}

func ask(ctx context.Context, state, method, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(state, socketName))
		},
		DisableKeepAlives: true,
	}}
	request, err := http.NewRequestWithContext(ctx, method, "http://sensor"+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	response, err := client.Do(request)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return nil, fmt.Errorf("admin: %w on %s: %w", ErrNotRunning, state, dial.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("admin: the sensor answered: %s", strings.TrimSpace(string(body)))
	}
	return body, nil
}
