// Command oui writes the table of MAC prefixes that inventory embeds, from the JSON file of the npm package oui-data:
//
//	cd "$(mktemp -d)" && npm pack oui-data@2.1.9 && tar xzf oui-data-2.1.9.tgz
//	go run ./scripts/oui package/index.json agent/inventory/oui.gz
//
// The input maps prefixes of 6, 7 or 9 hexadecimal digits to a vendor and its postal address, a line each. Of these the
// vendor is kept, once, and every prefix with its number. The output is the same for the same input.
package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: oui INDEX.json OUTPUT.gz")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(input, output string) error {
	text, err := os.ReadFile(input)
	if err != nil {
		return fmt.Errorf("oui: %w", err)
	}
	var entries map[string]string
	if err := json.Unmarshal(text, &entries); err != nil {
		return fmt.Errorf("oui: %s: %w", input, err)
	}
	table, err := encode(entries)
	if err != nil {
		return fmt.Errorf("oui: %s: %w", input, err)
	}
	if err := os.WriteFile(output, table, 0o644); err != nil {
		return fmt.Errorf("oui: %w", err)
	}
	return nil
}

// prefix is one row of the table: the bits that are given, their number, and whose they are.
type prefix struct {
	value  uint64
	bits   int
	vendor string
}

// encode makes the table: the vendors, each a line, an empty line, then for each number of bits, in the order 24, 28,
// 36, the number of prefixes and, ascending, the distance to the prefix before and the vendor's number, all as varints.
func encode(entries map[string]string) ([]byte, error) {
	rows := make([]prefix, 0, len(entries))
	for digits, owner := range entries {
		value, err := strconv.ParseUint(digits, 16, 64)
		if err != nil || len(digits) != 6 && len(digits) != 7 && len(digits) != 9 {
			return nil, fmt.Errorf("prefix %q", digits)
		}
		vendor, _, _ := strings.Cut(owner, "\n")
		vendor = strings.TrimRight(strings.Join(strings.Fields(vendor), " "), " ,;")
		// The registry's own blocks, and those of owners who stay private, tell nothing.
		if vendor == "" || vendor == "IEEE Registration Authority" || strings.EqualFold(vendor, "Private") {
			continue
		}
		rows = append(rows, prefix{value, 4 * len(digits), vendor})
	}
	slices.SortFunc(rows, func(a, b prefix) int {
		return cmp.Or(cmp.Compare(a.bits, b.bits), cmp.Compare(a.value, b.value))
	})
	var vendors []string
	for _, r := range rows {
		vendors = append(vendors, r.vendor)
	}
	slices.Sort(vendors)
	vendors = slices.Compact(vendors)

	plain := []byte(strings.Join(vendors, "\n") + "\n\n")
	for _, bits := range []int{24, 28, 36} {
		of := slices.DeleteFunc(slices.Clone(rows), func(r prefix) bool { return r.bits != bits })
		plain = binary.AppendUvarint(plain, uint64(len(of)))
		var last uint64
		for _, r := range of {
			number, _ := slices.BinarySearch(vendors, r.vendor)
			plain = binary.AppendUvarint(plain, r.value-last)
			plain = binary.AppendUvarint(plain, uint64(number))
			last = r.value
		}
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}
