package sensor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/goccy/go-yaml"
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
}

// ErrConfig is wrapped by every error of a configuration file's content.
var ErrConfig = errors.New("configuration")

// maxConfig bounds a configuration file, in bytes.
const maxConfig = 1 << 20

// Apply reads a configuration file into the fields of c that are still empty: what was said on the command line wins.
func (c *Config) Apply(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if len(text) > maxConfig {
		return fmt.Errorf("%w: %s is larger than %d bytes", ErrConfig, path, maxConfig)
	}
	var file File
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %s:%s", ErrConfig, path, yamlReason(err))
	}
	for _, n := range file.Networks {
		prefix, err := netip.ParsePrefix(n)
		if err != nil {
			return fmt.Errorf("%w: %s: networks: %q is no network such as 10.20.0.0/16", ErrConfig, path, n)
		}
		c.Networks = append(c.Networks, prefix)
	}
	if file.Workers < 0 || file.Workers > MaxWorkers {
		return fmt.Errorf("%w: %s: workers: %d: choose 1 to %d", ErrConfig, path, file.Workers, MaxWorkers)
	}
	fill(&c.Site, file.Site)
	fill(&c.Verdicts, file.Verdicts)
	fill(&c.LearnUntil, file.LearnUntil)
	fill(&c.Workers, file.Workers)
	fill(&c.Collector, file.Collector)
	fill(&c.Identity, file.Identity)
	fill(&c.StateDir, file.State)
	return nil
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
