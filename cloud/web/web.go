// Package web serves the collector's pages and the services behind them.
//
// The pages are built from ui/ and embedded as ui/dist, so that Go alone makes the program; ui/build.sh makes them anew.
// The handler reads the store and writes nothing. It has no accounts: whoever reaches its address reads what sensors
// reported, so it belongs on loopback or behind a proxy that knows who asks. Against pages of other origins in the same
// browser it defends itself: it answers only to its own names, refuses requests that another origin makes, and gives its
// pages a policy that runs no script but the embedded ones. It is safe for concurrent use.
package web

import (
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/spanwatch/spanwatch/cloud/store"
	"github.com/spanwatch/spanwatch/cloud/web/api"
)

//go:embed all:ui/dist
var dist embed.FS

// Config says what a handler shows, and to whom. Store is needed, the rest is optional.
type Config struct {
	Store store.Reader
	Log   *slog.Logger // nil: slog.Default
	// Hosts are the names under which browsers may ask, besides localhost and plain addresses: "spanwatch.plant.example".
	Hosts []string
}

// New makes the handler of the pages. It panics when the embedded pages are not whole, which a test excludes.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	files, err := fs.Sub(dist, "ui/dist")
	if err != nil {
		panic(fmt.Sprintf("web: %v", err))
	}
	p, err := newPages(files)
	if err != nil {
		panic(fmt.Sprintf("web: %v", err))
	}
	mux := http.NewServeMux()
	api.Register(mux, c.Store, c.Log)
	mux.HandleFunc("GET /assets/", p.asset)
	mux.HandleFunc("GET /favicon.svg", p.asset)
	for _, path := range pagePaths {
		mux.HandleFunc("GET "+path, p.page)
	}
	return guard(mux, c.Hosts)
}
