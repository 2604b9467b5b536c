package sensor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/spanwatch/spanwatch/capture/live"
)

// File is the configuration file: YAML, every key optional. A key that it does not know is an error that names the line.
type File struct {
	Site string `yaml:"site"`
	// Networks are the site's own; addresses outside are external peers, unless they serve the plant. Default: the
	// private ranges.
	Networks   []string  `yaml:"networks"`
	Verdicts   string    `yaml:"verdicts"`
	LearnUntil time.Time `yaml:"learn_until"`
	Workers    int       `yaml:"workers"`
	Collector  string    `yaml:"collector"`
	Identity   string    `yaml:"identity"`
	State      string    `yaml:"state"`
	// Zones are the parts of the site; without any a division is proposed. Devices is what the operator says of devices.
	Zones   []ZoneFile   `yaml:"zones"`
	Devices []DeviceFile `yaml:"devices"`

	// What follows is for a sensor on interfaces; a replay reads it and does nothing with it.

	Interfaces []string `yaml:"interfaces"`
	// Mode is how frames come from the kernel: auto, xdp-native, xdp-generic, filter or plain.
	Mode string `yaml:"mode"`
	Snap int    `yaml:"snap"` // bytes kept of a frame
	// Ports are those of which every packet is read, in place of those where the plant's protocols are at home.
	Ports struct {
		TCP []uint16 `yaml:"tcp"`
		UDP []uint16 `yaml:"udp"`
	} `yaml:"ports"`
	Limits struct {
		Ring  int    `yaml:"ring"`  // MiB of memory for each interface and worker
		Flows int    `yaml:"flows"` // conversations that the kernel counts apart
		First uint32 `yaml:"first"` // packets of each conversation that are read at first
	} `yaml:"limits"`
	Promiscuous *bool  `yaml:"promiscuous"` // default true
	Admin       string `yaml:"admin"`       // HOST:PORT for health and metrics
}

// ErrConfig is wrapped by every error of a configuration file's content.
var ErrConfig = errors.New("configuration")

// maxConfig bounds a configuration file, in bytes.
const maxConfig = 1 << 20

// ReadFile reads a configuration file.
func ReadFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if len(text) > maxConfig {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrConfig, path, maxConfig)
	}
	var file File
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %s:%s", ErrConfig, path, yamlReason(err))
	}
	if err := file.check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrConfig, path, err)
	}
	return &file, nil
}

// check refuses values that cannot be meant.
func (file *File) check() error {
	for _, n := range file.Networks {
		if _, err := netip.ParsePrefix(n); err != nil {
			return fmt.Errorf("networks: %q is no network such as 10.20.0.0/16", n)
		}
	}
	for i, name := range file.Interfaces {
		if slices.Contains(file.Interfaces[:i], name) {
			return fmt.Errorf("interfaces: %s is named twice", name)
		}
	}
	for _, limit := range []struct {
		name             string
		value, low, high int
	}{
		{"workers", file.Workers, 1, MaxWorkers}, {"snap", file.Snap, 96, 65536}, {"limits: ring", file.Limits.Ring, 1, 1024},
		{"limits: flows", file.Limits.Flows, 1024, 4 << 20}, {"limits: first", int(file.Limits.First), 1, 1 << 20},
	} {
		if limit.value != 0 && (limit.value < limit.low || limit.value > limit.high) {
			return fmt.Errorf("%s: %d: choose %d to %d", limit.name, limit.value, limit.low, limit.high)
		}
	}
	if _, _, err := file.site(); err != nil {
		return err
	}
	return live.CheckMode(file.Mode)
}

// Apply fills in the fields of c that are still empty: what was said on the command line wins.
func (file *File) Apply(c *Config) {
	for _, n := range file.Networks {
		c.Networks = append(c.Networks, netip.MustParsePrefix(n))
	}
	c.Devices, c.Zones, _ = file.site() // what was read was checked
	fill(&c.Site, file.Site)
	fill(&c.Verdicts, file.Verdicts)
	fill(&c.LearnUntil, file.LearnUntil)
	fill(&c.Workers, file.Workers)
	fill(&c.Collector, file.Collector)
	fill(&c.Identity, file.Identity)
	fill(&c.StateDir, file.State)
}

// Listen fills in what is still empty of what to listen to.
func (file *File) Listen(l *live.Config) {
	if len(l.Interfaces) == 0 {
		l.Interfaces = file.Interfaces
	}
	fill(&l.Mode, live.Mode(file.Mode))
	fill(&l.Snap, file.Snap)
	fill(&l.RingBytes, file.Limits.Ring<<20)
	fill(&l.Flows, file.Limits.Flows)
	fill(&l.First, file.Limits.First)
	l.TCP, l.UDP = file.Ports.TCP, file.Ports.UDP
	l.Promiscuous = file.Promiscuous == nil || *file.Promiscuous
}

// fill sets what is still empty.
func fill[T comparable](field *T, value T) {
	var empty T
	if *field == empty {
		*field = value
	}
}

// yamlReason gives "line:column: reason" of a fault in YAML.
func yamlReason(err error) string {
	var fault yaml.Error
	if errors.As(err, &fault) && fault.GetToken() != nil {
		at := fault.GetToken().Position
		return fmt.Sprintf("%d:%d: %s", at.Line, at.Column, fault.GetMessage())
	}
	return " " + err.Error()
}
