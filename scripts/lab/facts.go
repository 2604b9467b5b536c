package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Between these lines README.md of the fixtures holds tables that a recording renews.
const (
	factsBegin = "<!-- recorded: begin -->\n"
	factsEnd   = "<!-- recorded: end -->\n"
)

// writeFacts renews the tables in the README of dir from the .tsv files there.
func writeFacts(dir string) error {
	facts, err := renderFacts(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "README.md")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(factsBegin + factsEnd)
	} else if err != nil {
		return err
	}
	head, _, ok := strings.Cut(string(text), factsBegin)
	_, tail, ok2 := strings.Cut(string(text), factsEnd)
	if !ok || !ok2 {
		return fmt.Errorf("lab: %s has no %q and %q", path, strings.TrimSpace(factsBegin), strings.TrimSpace(factsEnd))
	}
	return os.WriteFile(path, []byte(head+factsBegin+facts+factsEnd+tail), 0o644)
}

// renderFacts makes Markdown of the summary and timeline of every capture in dir.
func renderFacts(dir string) (string, error) {
	var b strings.Builder
	for _, scenario := range []string{"attack", "normal"} {
		base := "plant-" + scenario
		summary, err := readTSV(filepath.Join(dir, base+".summary.tsv"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		timeline, err := readTSV(filepath.Join(dir, base+".timeline.tsv"))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n### %s.pcap.gz\n\n", base)
		for i, name := range summary[0] {
			fmt.Fprintf(&b, "- %s: %s\n", strings.ReplaceAll(name, "_", " "), summary[1][i])
		}
		b.WriteString("\n| step | actor | start | frames | techniques | what |\n| --- | --- | --- | --- | --- | --- |\n")
		for _, row := range timeline[1:] {
			fmt.Fprintf(&b, "| %s | %s | %s | %s–%s (%s) | %s | %s |\n",
				row[0], row[1], strings.TrimSuffix(row[3][11:], "Z"), row[5], row[6], row[7], row[8], row[9])
		}
	}
	b.WriteString("\n")
	return b.String(), nil
}

// readTSV returns the rows of a file, its header first; every row has as many fields as the header.
func readTSV(path string) ([][]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	in := csv.NewReader(file)
	in.Comma = '\t'
	in.LazyQuotes = true
	rows, err := in.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("lab: %s: %w", path, err)
	}
	if len(rows) < 2 {
		return nil, fmt.Errorf("lab: %s has no rows", path)
	}
	return rows, nil
}
