package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// pagePaths are the addresses of pages. The pages' own router shows the right one; what is not here is not found.
var pagePaths = []string{
	"/{$}",
	"/incidents/{id}",
	"/devices",
	"/devices/{site}/{id}",
}

// contentTypes holds the types of the files that a build makes, so that none depends on the machine's own table.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

// pages is the embedded build.
type pages struct {
	files fs.FS
	index []byte
	tag   string // of the index
}

func newPages(files fs.FS) (*pages, error) {
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		return nil, fmt.Errorf("the pages are not built (run ui/build.sh): %w", err)
	}
	sum := sha256.Sum256(index)
	return &pages{files: files, index: index, tag: `"` + hex.EncodeToString(sum[:8]) + `"`}, nil
}

// page answers every page's address with the same document, which browsers must ask for anew each time: it names the
// hashed files of its own build.
func (p *pages) page(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", contentTypes[".html"])
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", p.tag)
	http.ServeContent(w, r, "index.html", time.Time{}, bytes.NewReader(p.index))
}

// asset answers with an embedded file. Those under /assets/ have a hash of their content in their name and never change.
func (p *pages) asset(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	body, err := fs.ReadFile(p.files, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	kind := contentTypes[path.Ext(name)]
	if kind == "" {
		kind = mime.TypeByExtension(path.Ext(name))
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}
