package recognised

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spanwatch/spanwatch/protocols"
)

const longestFact = 128

// printable gives b as text of a fact, without blanks around it; empty when it is no text.
func printable(b []byte) string {
	b = bytes.TrimRight(b, "\x00")
	if !utf8.Valid(b) {
		return ""
	}
	s := strings.TrimSpace(string(b[:min(len(b), longestFact)]))
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return strings.ToValidUTF8(s, "")
}

// line gives the first line of h without its end, and whether it is whole.
func (h head) line() (line head, whole bool) {
	if i := bytes.IndexByte(h, '\n'); i >= 0 {
		return bytes.TrimSuffix(h[:i], []byte{'\r'}), true
	}
	return h, false
}

// ascii reports that h is printable ASCII, tabs and ends of lines.
func (h head) ascii() bool {
	for _, x := range h {
		if (x < ' ' || x > '~') && x != '\t' && x != '\r' && x != '\n' {
			return false
		}
	}
	return true
}

// claimed is how sure a fact is that a side says of itself without need.
const claimed = 60

// banner is the fact that a side says something before anything is asked.
func banner(from protocols.Side, b []byte) []protocols.Fact {
	if s := printable(b); s != "" {
		return []protocols.Fact{{About: from, Key: protocols.FactBanner, Value: s}}
	}
	return nil
}

// application is the fact that a banner names the software of a side.
func application(from protocols.Side, b []byte) []protocols.Fact {
	if s := printable(b); s != "" {
		return []protocols.Fact{{About: from, Key: protocols.FactApplication, Value: s}}
	}
	return nil
}
