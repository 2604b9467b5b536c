// Package scripts holds the rules of the repository as tests: who may import whom, one package doc each, formatted and
// generated code up to date.
package scripts

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/spanwatch/spanwatch/"

// imports says for each package which of ours it may import. A package without a row fails, and so does a row without a
// package. The arrows point one way: see docs/architecture.md.
var imports = map[string][]string{
	"protocols":                    {},
	"protocols/wire":               {},
	"protocols/internal/tpkt":      {"protocols/wire"},
	"protocols/internal/nameplate": {"protocols"},
	"protocols/internal/handshake": {"protocols", "protocols/wire"},
	"protocols/modbus":             {"protocols", "protocols/wire"},
	"protocols/opcua":              {"protocols", "protocols/wire"},
	"protocols/mms":                {"protocols", "protocols/wire", "protocols/internal/tpkt"},
	"protocols/s7":                 {"protocols", "protocols/wire", "protocols/internal/tpkt", "protocols/internal/handshake"},
	"protocols/enip":               {"protocols", "protocols/wire"},
	"protocols/dhcp":               {"protocols", "protocols/wire"},
	"protocols/bacnet":             {"protocols", "protocols/wire"},
	"protocols/snmp":               {"protocols", "protocols/wire", "protocols/internal/nameplate"},
	"protocols/profinet":           {"protocols", "protocols/wire", "protocols/internal/nameplate"},
	"protocols/cdp":                {"protocols", "protocols/wire", "protocols/internal/nameplate"},
	"protocols/lldp":               {"protocols", "protocols/wire", "protocols/internal/nameplate"},
	"protocols/netbios":            {"protocols", "protocols/wire"},
	"protocols/dns":                {"protocols", "protocols/wire"},
	"protocols/iec104":             {"protocols", "protocols/wire"},
	"protocols/dnp3":               {"protocols", "protocols/wire"},
	"protocols/http":               {"protocols", "protocols/internal/nameplate"},
	"protocols/tls":                {"protocols", "protocols/internal/handshake", "protocols/internal/nameplate"},
	"protocols/ssh":                {"protocols", "protocols/wire"},
	"protocols/recognised":         {"protocols", "protocols/internal/tpkt"},
	"protocols/all": {
		"protocols", "protocols/modbus", "protocols/opcua", "protocols/s7", "protocols/mms", "protocols/enip",
		"protocols/dhcp", "protocols/dns", "protocols/recognised", "protocols/netbios", "protocols/lldp", "protocols/cdp", "protocols/profinet", "protocols/snmp", "protocols/bacnet",
		"protocols/iec104", "protocols/dnp3",
		"protocols/http", "protocols/tls", "protocols/ssh",
	},
	"protocols/protocoltest": {"protocols"},

	"capture":               {},
	"capture/packet":        {},
	"capture/stream":        {"capture/packet"},
	"capture/live":          {"capture", "capture/packet", "bpf"},
	"bpf":                   {"capture/packet"},
	"capture/live/livetest": {},

	"agent/pipeline":  {"protocols", "capture", "capture/packet", "capture/stream"},
	"agent/cadence":   {},
	"agent/inventory": {"protocols", "agent/cadence"},
	"agent/graph":     {"protocols", "agent/cadence"},
	"agent/process":   {"protocols"},
	"agent/detect":    {"protocols", "agent/inventory", "agent/graph"},
	"agent/uplink":    {"agent/detect", "agent/graph", "agent/inventory", "proto/spanwatch/v1"},
	"agent/state":     {"agent/detect", "agent/graph", "agent/inventory", "agent/process"},
	"agent/sensor": {
		"protocols", "protocols/all", "capture", "capture/live", "capture/stream", "agent/pipeline", "agent/inventory", "agent/graph", "agent/process", "agent/detect",
		"agent/state", "agent/uplink",
	},
	"agent/report":    {"protocols", "agent/detect", "agent/graph", "agent/inventory", "agent/state"},
	"agent/privilege": {"capture/live"},
	"agent/admin":     {"agent/sensor", "cli"},
	"agent/doctor": {
		"protocols", "protocols/all", "capture", "capture/live", "capture/packet", "agent/pipeline", "agent/sensor", "agent/admin",
		"agent/state", "agent/uplink", "bpf",
	},
	"agent": {"protocols", "agent/admin", "agent/doctor", "agent/report", "agent/privilege", "agent/sensor", "capture/live", "agent/state", "agent/inventory", "agent/graph", "agent/process", "agent/detect", "bpf", "cli"},

	"cli": {},

	"proto/spanwatch/v1":                    {},
	"proto/spanwatch/v1/spanwatchv1connect": {"proto/spanwatch/v1"},

	"cloud/authority":       {},
	"cloud/store":           {},
	"cloud/store/storetest": {"cloud/store"},
	"cloud/ingest":          {"cloud/store", "proto/spanwatch/v1"},
	"cloud/incident":        {"cloud/store"},
	"cloud/hunt/kql":        {},
	"cloud/hunt":            {"cloud/store", "cloud/hunt/kql"},
	"cloud/web/api":         {"cloud/store", "cloud/incident", "cloud/hunt", "proto/spanwatch/v1", "proto/spanwatch/v1/spanwatchv1connect"},
	"cloud/web":             {"cloud/store", "cloud/incident", "cloud/hunt", "cloud/web/api"},
	"cloud":                 {"cloud/authority", "cloud/store", "cloud/ingest", "cloud/incident", "cloud/hunt", "cloud/web", "cli"},

	"scripts":               {},
	"scripts/live":          {},
	"scripts/oui":           {},
	"scripts/image":         {},
	"scripts/accuracy":      {"agent/sensor"},
	"scripts/bench/peers":   {"capture", "capture/packet"},
	"scripts/bench/capture": {"capture", "capture/live", "capture/live/livetest", "capture/packet"},
}

// lab programs stand apart from the product: they may use anything.
const labPrefix = "scripts/lab"

// standardOnly are the packages that anyone must be able to read and reuse without a dependency.
var standardOnly = []string{"protocols", "protocols/wire", "protocols/internal/tpkt", "protocols/internal/nameplate", "protocols/internal/handshake", "protocols/modbus", "protocols/opcua", "protocols/s7", "protocols/mms", "protocols/enip", "protocols/dhcp", "protocols/snmp", "protocols/bacnet", "protocols/profinet", "protocols/cdp", "protocols/lldp", "protocols/netbios", "protocols/dns", "protocols/iec104", "protocols/dnp3", "protocols/http", "protocols/tls", "protocols/ssh", "protocols/recognised", "protocols/all", "cloud/hunt/kql"}

type source struct {
	path, pkg string // slash-separated, from the root
	file      *ast.File
	test      bool
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// sources parses every Go file of the repository. It does so in this process: the answer of a child process would be
// taken from the test cache after a violation was added.
func sources(t *testing.T) []source {
	t.Helper()
	dir := root(t)
	var list []source
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		list = append(list, source{rel, path.Dir(rel), file, strings.HasSuffix(rel, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 50 {
		t.Fatalf("only %d Go files found below %s: the rules would pass for want of code", len(list), dir)
	}
	return list
}

func TestImportsPointOneWay(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range sources(t) {
		if strings.HasPrefix(s.pkg, labPrefix) {
			continue
		}
		seen[s.pkg] = true
		allowed, ok := imports[s.pkg]
		if !ok {
			t.Errorf("%s: package %s has no row in the import table", s.path, s.pkg)
			continue
		}
		if s.test {
			continue
		}
		for _, spec := range s.file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			own, isOwn := strings.CutPrefix(name, module)
			if isOwn && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s: the table in scripts/repo_test.go does not allow it", s.path, own)
			}
			if !isOwn && strings.Contains(name, ".") && slices.Contains(standardOnly, s.pkg) {
				t.Errorf("%s imports %s: %s is built on the standard library alone", s.path, name, s.pkg)
			}
		}
	}
	for pkg := range imports {
		if !seen[pkg] {
			t.Errorf("the import table has a row for %s, which is not there", pkg)
		}
	}
}

func TestNoVagueNames(t *testing.T) {
	for _, s := range sources(t) {
		switch path.Base(s.pkg) {
		case "util", "utils", "common", "helper", "helpers", "types", "misc", "manager":
			t.Errorf("%s: %s says nothing about what the package owns", s.path, s.pkg)
		}
	}
}

func TestEveryPackageHasOneDoc(t *testing.T) {
	docs := make(map[string][]string)
	for _, s := range sources(t) {
		if s.test && s.pkg != "scripts" || strings.HasPrefix(s.pkg, "proto/") {
			continue
		}
		if _, ok := docs[s.pkg]; !ok {
			docs[s.pkg] = nil
		}
		if s.file.Doc != nil {
			docs[s.pkg] = append(docs[s.pkg], s.path)
		}
	}
	for pkg, files := range docs {
		if len(files) != 1 {
			t.Errorf("package %s has %d package docs, want one: %v", pkg, len(files), files)
		}
	}
}

// The clock of the sensor's inner parts is the packet's: a replay must equal the live run.
func TestPacketTimeOnly(t *testing.T) {
	inner := []string{"agent/pipeline", "agent/inventory", "agent/graph", "agent/process", "agent/detect", "capture/packet", "capture/stream", "protocols"}
	for _, s := range sources(t) {
		if s.test || !slices.ContainsFunc(inner, func(p string) bool { return s.pkg == p || strings.HasPrefix(s.pkg, "protocols/") }) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && (sel.Sel.Name == "Now" || sel.Sel.Name == "Since") {
					t.Errorf("%s calls time.%s: the clock here is the packet's", s.path, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestNothingLeftUndone(t *testing.T) {
	markers := []string{"TODO", "FIXME", "XXX:", "not implemented"}
	for _, s := range sources(t) {
		if s.path == "scripts/repo_test.go" || strings.HasPrefix(s.path, "proto/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root(t), s.path))
		if err != nil {
			t.Fatal(err)
		}
		for _, marker := range markers {
			if strings.Contains(string(text), marker) {
				t.Errorf("%s holds %q", s.path, marker)
			}
		}
	}
}

// No consumer names a protocol: knowledge of a protocol lives in its own folder.
func TestNoConsumerNamesAProtocol(t *testing.T) {
	names := []string{"modbus", "s7comm", "s7comm-plus", "opcua", "cotp"}
	for _, s := range sources(t) {
		consumer := strings.HasPrefix(s.pkg, "agent/") || strings.HasPrefix(s.pkg, "capture")
		if s.test || !consumer {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil && slices.Contains(names, text) {
					t.Errorf("%s names the protocol %q: extend the vocabulary instead", s.path, text)
				}
			}
			return true
		})
	}
}
