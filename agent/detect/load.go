package detect

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

const (
	maxVerdicts     = 100_000
	maxVerdictBytes = 64 << 20
	maxVerdictLine  = 64 << 10
	maxVerdictText  = 4 << 10 // of source, reason and reference each: they stand in every alert
)

// verdictKeys are the keys of a verdict in a file, as JSON and as CSV columns.
var verdictKeys = []string{
	"id", "ip", "network", "mac", "name", "device", "site", "state", "confidence", "source", "reason", "reference",
	"techniques", "valid_from", "valid_until", "added",
}

// LoadVerdicts reads verdicts from JSON lines, or from CSV with the same names as header. Empty lines are skipped, an
// empty file has no verdicts. An error reads "NAME:LINE: reason".
func LoadVerdicts(name string, r io.Reader) ([]Verdict, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxVerdictBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: read verdicts: %w", name, err)
	}
	if len(data) > maxVerdictBytes {
		return nil, fmt.Errorf("%s: verdicts: file is larger than %d MiB", name, maxVerdictBytes>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if n := longLine(data); n > 0 {
		return nil, fmt.Errorf("%s:%d: line is longer than %d KiB", name, n, maxVerdictLine>>10)
	}
	if first := bytes.TrimSpace(data); len(first) > 0 && (first[0] == '{' || first[0] == '[') {
		return loadJSON(name, data)
	}
	return loadCSV(name, data)
}

// longLine gives the number of the first line that is too long; 0 when none is.
func longLine(data []byte) int {
	for n := 1; len(data) > 0; n++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		if len(line) > maxVerdictLine {
			return n
		}
		data = rest
	}
	return 0
}

func loadJSON(name string, data []byte) ([]Verdict, error) {
	var all []Verdict
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 2*maxVerdictLine)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		fields, err := jsonFields(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if all, err = appendVerdict(all, fields); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: read verdicts: %w", name, err)
	}
	return all, nil
}

// jsonFields reads one JSON object into the text of its fields; a list becomes its elements separated by spaces.
func jsonFields(line []byte) (map[string]string, error) {
	if line[0] != '{' {
		return nil, errors.New("want one JSON object a line")
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("not a whole JSON object: %w", err)
	}
	fields := make(map[string]string)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("not a whole JSON object: %w", err)
		}
		key, _ := t.(string)
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("not a whole JSON object: value of %q: %w", key, err)
		}
		if _, twice := fields[key]; twice {
			return nil, fmt.Errorf("key %q stands twice", key)
		}
		if fields[key], err = jsonText(key, value); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("not a whole JSON object: %w", err)
	}
	if rest, _ := io.ReadAll(io.MultiReader(d.Buffered())); len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("more than one JSON object on the line")
	}
	return fields, nil
}

func jsonText(key string, value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		if key == "confidence" {
			return v.String(), nil
		}
	case []any:
		if key != "techniques" {
			break
		}
		var parts []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return "", fmt.Errorf("key %q: want a list of strings", key)
			}
			parts = append(parts, s)
		}
		return strings.Join(parts, " "), nil
	}
	return "", fmt.Errorf("key %q: cannot use %v", key, value)
}

func loadCSV(name string, data []byte) ([]Verdict, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	var header []string
	var all []Verdict
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			var bad *csv.ParseError
			if errors.As(err, &bad) {
				return nil, fmt.Errorf("%s:%d: %w", name, bad.StartLine, bad.Err)
			}
			return nil, fmt.Errorf("%s: read verdicts: %w", name, err)
		}
		if len(record) == 1 && strings.TrimSpace(record[0]) == "" {
			continue
		}
		line, _ := r.FieldPos(0)
		if header == nil {
			if header, err = checkHeader(record); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, line, err)
			}
			continue
		}
		if len(record) != len(header) {
			return nil, fmt.Errorf("%s:%d: %d fields, but the header has %d", name, line, len(record), len(header))
		}
		fields := make(map[string]string, len(header))
		for k, key := range header {
			fields[key] = record[k]
		}
		if all, err = appendVerdict(all, fields); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
	}
}

func checkHeader(record []string) ([]string, error) {
	header := make([]string, len(record))
	for k, c := range record {
		header[k] = strings.ToLower(strings.TrimSpace(c))
		if !slices.Contains(verdictKeys, header[k]) {
			return nil, fmt.Errorf("unknown column %q: want %s", c, strings.Join(verdictKeys, ", "))
		}
		if slices.Contains(header[:k], header[k]) {
			return nil, fmt.Errorf("column %q stands twice", c)
		}
	}
	return header, nil
}

func appendVerdict(all []Verdict, fields map[string]string) ([]Verdict, error) {
	if len(all) >= maxVerdicts {
		return nil, fmt.Errorf("more than %d verdicts", maxVerdicts)
	}
	v, err := parseVerdict(fields)
	if err != nil {
		return nil, err
	}
	return append(all, v), nil
}

// parseVerdict checks and normalises one verdict.
func parseVerdict(fields map[string]string) (Verdict, error) {
	for key, value := range fields {
		fields[key] = strings.TrimSpace(value)
	}
	for _, key := range sortedKeys(fields) {
		if !slices.Contains(verdictKeys, key) {
			return Verdict{}, fmt.Errorf("unknown key %q", key)
		}
	}
	v := Verdict{
		ID: fields["id"], Name: fields["name"], Device: fields["device"], Site: fields["site"],
		State: strings.ToLower(fields["state"]), Source: fields["source"], Reason: fields["reason"],
		Reference: fields["reference"],
	}
	for _, key := range []string{"source", "reason", "reference"} {
		if n := len(fields[key]); n > maxVerdictText {
			return v, fmt.Errorf("%s has %d bytes: want at most %d", key, n, maxVerdictText)
		}
	}
	if err := v.parseSelector(fields); err != nil {
		return v, err
	}
	switch v.State {
	case StateConfirmed, StateSuspected, StateCleared:
	case "":
		return v, errors.New("no state: want confirmed, suspected or cleared")
	default:
		return v, fmt.Errorf("state %q: want confirmed, suspected or cleared", fields["state"])
	}
	if err := v.parseConfidence(fields["confidence"]); err != nil {
		return v, err
	}
	v.Techniques = strings.FieldsFunc(strings.ToUpper(fields["techniques"]), func(r rune) bool { return strings.ContainsRune(" ,;|", r) })
	if err := checkTechniques(v.Techniques); err != nil {
		return v, err
	}
	if err := v.parseTimes(fields); err != nil {
		return v, err
	}
	if v.ID == "" {
		v.ID = v.hash()
	}
	return v, nil
}

func (v *Verdict) parseSelector(fields map[string]string) error {
	var given []string
	for _, key := range []string{"ip", "network", "mac", "name", "device"} {
		if fields[key] != "" {
			given = append(given, key)
		}
	}
	if len(given) == 0 {
		return errors.New("nobody is named: want one of ip, network, mac, name, device")
	}
	if len(given) > 1 {
		return fmt.Errorf("%s are given: want exactly one of ip, network, mac, name, device", strings.Join(given, " and "))
	}
	if s := fields["ip"]; s != "" {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("ip %q: want an address such as 10.0.0.5", s)
		}
		v.IP = a.Unmap().String()
	}
	if s := fields["network"]; s != "" {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("network %q: want a prefix such as 10.0.0.0/24", s)
		}
		v.Network = p.Masked().String()
	}
	if s := fields["mac"]; s != "" {
		m, err := parseMAC(s)
		if err != nil {
			return err
		}
		v.MAC = m.String()
	}
	return nil
}

func parseMAC(s string) (protocols.MAC, error) {
	b, err := net.ParseMAC(s)
	if err != nil || len(b) != 6 {
		return protocols.MAC{}, fmt.Errorf("mac %q: want an address such as 00:1b:1b:01:02:03", s)
	}
	return protocols.MAC(b), nil
}

// parseConfidence reads per cent. Here alone a verdict that states none gets one: what is stated, 0 too, counts as it is.
func (v *Verdict) parseConfidence(s string) error {
	if s == "" {
		v.Confidence = defaultConfidence(v.State)
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 100 {
		return fmt.Errorf("confidence %q: want a whole number from 0 to 100", s)
	}
	v.Confidence = uint8(n)
	return nil
}

func (v *Verdict) parseTimes(fields map[string]string) error {
	read := func(key string) (*time.Time, error) {
		s := fields[key]
		if s == "" {
			return nil, nil
		}
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return nil, fmt.Errorf("%s %q: want a time such as 2026-01-02T15:04:05Z", key, s)
		}
		t = t.UTC()
		return &t, nil
	}
	var err error
	if v.ValidFrom, err = read("valid_from"); err != nil {
		return err
	}
	if v.ValidUntil, err = read("valid_until"); err != nil {
		return err
	}
	if v.ValidFrom != nil && v.ValidUntil != nil && v.ValidUntil.Before(*v.ValidFrom) {
		return fmt.Errorf("valid_until %s is before valid_from %s", fields["valid_until"], fields["valid_from"])
	}
	added, err := read("added")
	if added != nil {
		v.Added = *added
	}
	return err
}

// hash names a verdict by what it says, so that the same file gives the same ids.
func (v *Verdict) hash() string {
	stamp := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.Format(time.RFC3339Nano)
	}
	return digest("verdict", v.Site, v.IP, v.Network, v.MAC, v.Name, v.Device, v.State, v.Source, v.Reference,
		stamp(v.ValidFrom), stamp(v.ValidUntil))
}

// digest gives a short id of parts.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
