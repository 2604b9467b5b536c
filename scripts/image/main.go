// Command image makes a container image of a static program without a container engine and without a registry, so that a
// machine with Go alone builds it, for any processor, to the same bytes each time.
//
// It reads a Containerfile that begins FROM scratch and uses the instructions of its table; it refuses every other one
// rather than making something else than a container engine would. The archive has the layout of the OCI Image Format
// Specification 1.0, and beside it the manifest that older versions of docker load look for.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	var b build
	containerfile := flag.String("f", "packaging/Containerfile", "the Containerfile")
	flag.StringVar(&b.context, "context", "bin", "directory with the files to copy")
	flag.StringVar(&b.arch, "arch", "amd64", "architecture, as Go names it")
	flag.StringVar(&b.name, "name", "", "NAME:TAG under which the image is loaded")
	out := flag.String("out", "", "archive to write")
	flag.Parse()
	if err := b.run(*containerfile, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// build is one image in the making.
type build struct {
	context, arch, name string
	created             time.Time

	config config
	layer  bytes.Buffer
	files  *tar.Writer
	made   map[string]bool // directories in the layer
}

// config is the part of the image's configuration that says how it runs (Image Configuration, "Properties").
type config struct {
	Env        []string            `json:",omitempty"`
	Entrypoint []string            `json:",omitempty"`
	Volumes    map[string]struct{} `json:",omitempty"`
	WorkingDir string              `json:",omitempty"`
	Labels     map[string]string   `json:",omitempty"`
}

// searchPath is the one that container engines set for images that name none.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (b *build) run(containerfile, out string) error {
	if out == "" || b.name == "" {
		return errors.New("image: -out and -name are needed")
	}
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("image: SOURCE_DATE_EPOCH, the time of the image in seconds: %w", err)
	}
	b.created = time.Unix(epoch, 0).UTC()
	text, err := os.ReadFile(containerfile)
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	archive, err := b.image(string(text))
	if err != nil {
		return fmt.Errorf("image: %s:%w", containerfile, err)
	}
	if err := os.WriteFile(out, archive, 0o644); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return nil
}

// instructions are those that are understood, each with what stands behind its name.
var instructions = map[string]func(*build, string) error{
	"FROM": func(_ *build, base string) error {
		if base != "scratch" {
			return fmt.Errorf("FROM %s: only scratch needs no registry", base)
		}
		return nil
	},
	"LABEL": func(b *build, pair string) error {
		name, quoted, _ := strings.Cut(pair, "=")
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return fmt.Errorf("LABEL %s: write NAME=\"VALUE\"", pair)
		}
		b.config.Labels[name] = value
		return nil
	},
	"COPY": func(b *build, words string) error {
		from, to, _ := strings.Cut(words, " ")
		if !path.IsAbs(to) || path.Clean(to) != to {
			return fmt.Errorf("COPY %s: write FILE /PATH", words)
		}
		return b.copy(from, to)
	},
	"WORKDIR": func(b *build, dir string) error {
		b.config.WorkingDir = dir
		return b.directories(dir)
	},
	"VOLUME": func(b *build, dir string) error {
		b.config.Volumes[dir] = struct{}{}
		return b.directories(dir)
	},
	"ENTRYPOINT": func(b *build, list string) error {
		if err := json.Unmarshal([]byte(list), &b.config.Entrypoint); err != nil {
			return fmt.Errorf("ENTRYPOINT %s: write a JSON list: %w", list, err)
		}
		return nil
	},
}

// image gives the archive. Errors begin with the line.
func (b *build) image(containerfile string) ([]byte, error) {
	b.config = config{Env: []string{searchPath}, Volumes: make(map[string]struct{}), Labels: make(map[string]string)}
	b.files, b.made = tar.NewWriter(&b.layer), make(map[string]bool)
	n := 0
	for line := range strings.Lines(containerfile) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		do, known := instructions[name]
		if !known {
			return nil, fmt.Errorf("%d: instruction %s is not known", n, name)
		}
		if err := do(b, strings.TrimSpace(rest)); err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
	}
	if err := b.files.Close(); err != nil {
		return nil, fmt.Errorf("%d: %w", n, err)
	}
	return b.archive()
}

// directories puts dir and those above it into the layer, unless they are there.
func (b *build) directories(dir string) error {
	if dir == "/" || b.made[dir] {
		return nil
	}
	if err := b.directories(path.Dir(dir)); err != nil {
		return err
	}
	b.made[dir] = true
	return b.files.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: dir[1:] + "/", Mode: 0o755, ModTime: b.created, Format: tar.FormatPAX,
	})
}

// copy puts a file into the layer, owned by root. Whether it may be executed is as in the context.
func (b *build) copy(from, to string) error {
	if !filepath.IsLocal(from) {
		return fmt.Errorf("COPY %s: not in the context", from)
	}
	name := filepath.Join(b.context, from)
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	mode := int64(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	if err := b.directories(path.Dir(to)); err != nil {
		return err
	}
	if err := b.files.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: to[1:], Mode: mode, Size: int64(len(content)), ModTime: b.created, Format: tar.FormatPAX,
	}); err != nil {
		return err
	}
	_, err = b.files.Write(content)
	return err
}

// blob is a file of the archive that others name by its content.
type blob struct {
	kind    string
	content []byte
}

func (x blob) digest() string {
	sum := sha256.Sum256(x.content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (x blob) path() string { return "blobs/" + strings.Replace(x.digest(), ":", "/", 1) }

func (x blob) descriptor() map[string]any {
	return map[string]any{"mediaType": x.kind, "digest": x.digest(), "size": len(x.content)}
}

const ociImage = "application/vnd.oci.image."

// archive puts the layer, what describes it, and what names it into one file.
func (b *build) archive() ([]byte, error) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(b.layer.Bytes()); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	layer := blob{ociImage + "layer.v1.tar+gzip", packed.Bytes()}
	configuration, err := described("config.v1+json", map[string]any{
		"created": b.created, "architecture": b.arch, "os": "linux", "config": b.config,
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{blob{content: b.layer.Bytes()}.digest()}},
		"history": []any{map[string]any{"created": b.created, "created_by": "packaging/Containerfile"}},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := described("manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": ociImage + "manifest.v1+json",
		"config": configuration.descriptor(), "layers": []any{layer.descriptor()},
	})
	if err != nil {
		return nil, err
	}
	root := manifest.descriptor()
	root["platform"] = map[string]string{"architecture": b.arch, "os": "linux"}
	root["annotations"] = map[string]string{"org.opencontainers.image.ref.name": b.name}
	index, err := described("index.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": ociImage + "index.v1+json", "manifests": []any{root},
	})
	if err != nil {
		return nil, err
	}
	older, err := described("", []any{map[string]any{
		"Config": configuration.path(), "RepoTags": []string{b.name}, "Layers": []string{layer.path()},
	}})
	if err != nil {
		return nil, err
	}
	return b.pack([]member{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)}, {"index.json", index.content}, {"manifest.json", older.content},
		{configuration.path(), configuration.content}, {layer.path(), layer.content}, {manifest.path(), manifest.content},
	})
}

func described(kind string, value any) (blob, error) {
	content, err := json.Marshal(value)
	return blob{ociImage + kind, content}, err
}

type member struct {
	name    string
	content []byte
}

func (b *build) pack(members []member) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range members {
		if err := w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: m.name, Mode: 0o644, Size: int64(len(m.content)), ModTime: b.created, Format: tar.FormatPAX,
		}); err != nil {
			return nil, err
		}
		if _, err := w.Write(m.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
