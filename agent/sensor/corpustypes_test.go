package sensor

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

var update = flag.Bool("update", false, "rewrite docs/inventory.md from the captures beside the checkout")

// TestTypesOfTheCorpus holds the page that tells what devices of public captures are taken for to the types that the sensor
// finds of those that tell their model.
func TestTypesOfTheCorpus(t *testing.T) {
	const corpus, page = "../../../shared/pcaps", "../../docs/inventory.md"
	captures, err := filepath.Glob(filepath.Join(corpus, "*", "*.pcap.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if len(captures) == 0 {
		t.Skip("the captures are not here")
	}
	type family struct {
		captures, devices int
		types             map[string]int
	}
	families := make(map[string]*family)
	var named []string
	for _, capture := range captures {
		if info, err := os.Stat(capture); err != nil || info.Size() > 400_000 || strings.Contains(capture, "synthetic") {
			continue
		}
		kind := filepath.Base(filepath.Dir(capture))
		f := families[kind]
		if f == nil {
			f = &family{types: make(map[string]int)}
			families[kind] = f
		}
		f.captures++
		for _, d := range replayed(t, capture).Devices {
			f.devices++
			f.types[d.Type]++
			if d.Model != "" && d.Category == inventory.CategoryOT {
				named = append(named, fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s |", cell(strings.TrimSuffix(filepath.Base(capture), ".pcap.gz")),
					cell(cmp.Or(first(d.IPs), first(d.MACs), first(d.Names))), d.Type, cell(why(&d)), cell(d.Vendor), cell(d.Model), cell(d.Firmware), cell(d.Serial)))
			}
		}
	}
	var text strings.Builder
	text.WriteString(`# What devices are taken for

Made from public captures that stand beside the checkout (up to 400 kB each, synthetic ones left out) by
` + "`go test ./agent/sensor -run TestTypesOfTheCorpus -update`" + `; the test holds the page to the types of devices that tell their model.

## Types by family of captures

| captures of | captures | devices | types |
| --- | ---: | ---: | --- |
`)
	for _, kind := range slices.Sorted(maps.Keys(families)) {
		f := families[kind]
		var types []string
		for _, k := range inventory.Types() {
			if n := f.types[k]; n > 0 {
				types = append(types, fmt.Sprintf("%d %s", n, k))
			}
		}
		fmt.Fprintf(&text, "| %s | %d | %d | %s |\n", kind, f.captures, f.devices, strings.Join(types, ", "))
	}
	text.WriteString(`
## OT devices that tell their model

| capture | device | type | because | vendor | model | firmware | serial |
| --- | --- | --- | --- | --- | --- | --- | --- |
`)
	slices.Sort(named)
	text.WriteString(strings.Join(named, "\n") + "\n")
	if *update {
		if err := os.WriteFile(page, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range named {
		of := strings.Split(row, " | ")
		if start := strings.Join(of[:3], " | ") + " | "; !strings.Contains(string(have), start) {
			t.Errorf("%s does not say %q: go test -update rewrites it, read the difference", page, start)
		}
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// cell makes a text fit for a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", "¦") }

// why gives the strongest reason for a device's type.
func why(d *inventory.Device) string {
	best := inventory.Fact{}
	for _, f := range d.Facts {
		if f.Key == protocols.FactRole && f.Value == d.Type && f.Confidence > best.Confidence {
			best = f
		}
	}
	return best.Source
}
