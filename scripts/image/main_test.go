package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func made(t *testing.T, containerfile string) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "program"), []byte("\x7fELF"), 0o700); err != nil {
		t.Fatal(err)
	}
	return (&build{context: dir, arch: "arm64", name: "x:1", created: time.Unix(1_790_000_000, 0).UTC()}).image(containerfile)
}

const sound = "# a comment\nFROM scratch\nCOPY program /usr/bin/program\nWORKDIR /var/lib/x\nVOLUME /var/lib/x\nENTRYPOINT [\"/usr/bin/program\"]\n"

// Every name in the archive is the digest of what stands there, and a second time gives the same bytes.
func TestSameBytes(t *testing.T) {
	first, err := made(t, sound)
	if err != nil {
		t.Fatal(err)
	}
	second, err := made(t, sound)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two images of the same differ")
	}
	var names []string
	for r := tar.NewReader(bytes.NewReader(first)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name, isBlob := strings.CutPrefix(h.Name, "blobs/sha256/")
		if isBlob {
			if digest := (blob{content: content}).digest(); digest != "sha256:"+name {
				t.Errorf("%s has the digest %s", h.Name, digest)
			}
			name = "blob"
		}
		names = append(names, name)
	}
	if diff := cmp.Diff([]string{"oci-layout", "index.json", "manifest.json", "blob", "blob", "blob"}, names); diff != "" {
		t.Error(diff)
	}
}

// What a container engine would do otherwise, or not at all, is refused with its line.
func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"FROM debian:12":                        "1: FROM debian:12",
		sound + "RUN id":                        "7: instruction RUN",
		"FROM scratch\nCOPY ../secret /secret":  "not in the context",
		"FROM scratch\nCOPY program usr/bin":    "/PATH",
		"FROM scratch\nCOPY absent /absent":     "no such file",
		"FROM scratch\nENTRYPOINT program":      "JSON list",
		"FROM scratch\nLABEL a=b":               "LABEL a=b",
		"FROM scratch\nCOPY program /a/../../b": "/PATH",
	} {
		if _, err := made(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
