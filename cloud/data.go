package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/cli"
	"github.com/spanwatch/spanwatch/cloud/store"
)

// serviceData is where a collector that runs as a service keeps its data.
const serviceData = "/var/lib/spanwatch/cloud"

// place says where the collector's data are. Every command that reads or writes them has its flags.
type place struct {
	data  string
	store string
}

func (p *place) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.data, "data", defaultData(),
		"data directory: authority and embedded store; as root "+serviceData+", else $XDG_DATA_HOME/spanwatch/cloud")
	cmd.Flags().StringVar(&p.store, "store", "", "sqlite:FILE (default: sqlite:store.db in the data directory)")
}

// defaultData gives the data directory of whoever runs the program.
func defaultData() string {
	if os.Geteuid() == 0 {
		return serviceData
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "spanwatch", "cloud")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return serviceData
	}
	return filepath.Join(home, ".local", "share", "spanwatch", "cloud")
}

// file gives the path of the store's file.
func (p *place) file() (string, error) {
	if p.store == "" {
		return filepath.Join(p.data, "store.db"), nil
	}
	file, ok := strings.CutPrefix(p.store, "sqlite:")
	if !ok || file == "" {
		return "", cli.Usagef("--store %q: choose sqlite:FILE", p.store)
	}
	return file, nil
}

// open opens the store and makes it when there is none.
func (p *place) open(ctx context.Context) (store.Store, error) {
	file, err := p.file()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(p.data, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the data directory: %w", err)
	}
	return store.OpenSQLite(ctx, file)
}

// existing opens the store for a command that only has sense when there is one.
func (p *place) existing(ctx context.Context) (store.Store, error) {
	file, err := p.file()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no store at %s: start spanwatch-cloud run first, or say where it is with --data or --store", file)
	}
	return store.OpenSQLite(ctx, file)
}

// read runs a command's work on the existing store.
func (p *place) read(ctx context.Context, work func(store.Store) error) error {
	s, err := p.existing(ctx)
	if err != nil {
		return err
	}
	return errors.Join(work(s), s.Close())
}
