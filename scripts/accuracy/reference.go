package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// place is where a message stands in a capture: the frame that completed it, and its index among the messages of its
// protocol in that frame.
type place struct {
	frame uint64
	pdu   int
}

// row is one message as the reference sees it.
type row struct {
	place
	columns map[string]int
	cells   []string
}

// text gives a cell; empty where the message has no such field.
func (r *row) text(column string) string {
	if i, ok := r.columns[column]; ok && i < len(r.cells) {
		return r.cells[i]
	}
	return ""
}

// maxLine bounds a line of a table: some cells list everything that a message holds.
const maxLine = 64 << 20

// readTable reads a reference table. A capture without messages of the table's protocol has none: that is no error.
func readTable(path string) (rows []*row, err error) {
	err = unpack(path, func(r io.Reader) error {
		rows, err = parseTable(r)
		return err
	})
	return rows, err
}

// readMaker tells what made the tables of a capture: a table of keys and values beside them says so.
func readMaker(path string) (maker string, err error) {
	err = unpack(path, func(r io.Reader) error {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			if v, ok := strings.CutPrefix(lines.Text(), "tshark\t"); ok {
				maker = strings.TrimRight(v, ".")
			}
		}
		return lines.Err()
	})
	return maker, err
}

// unpack reads a compressed file, if it is there.
func unpack(path string, read func(io.Reader) error) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err == nil {
		err = read(z)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// parseTable reads lines of cells separated by tabs, names first.
func parseTable(r io.Reader) ([]*row, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	if !lines.Scan() {
		return nil, errors.Join(errors.New("table without names of columns"), lines.Err())
	}
	columns := make(map[string]int)
	for i, name := range strings.Split(lines.Text(), "\t") {
		columns[name] = i
	}
	var rows []*row
	for lines.Scan() {
		m := &row{columns: columns, cells: strings.Split(lines.Text(), "\t")}
		var err error
		if m.frame, err = strconv.ParseUint(m.text("frame"), 10, 64); err != nil {
			return nil, fmt.Errorf("line %d: frame: %w", len(rows)+2, err)
		}
		if m.pdu, err = strconv.Atoi(m.text("pdu")); err != nil {
			return nil, fmt.Errorf("line %d: pdu: %w", len(rows)+2, err)
		}
		rows = append(rows, m)
	}
	return rows, lines.Err()
}
