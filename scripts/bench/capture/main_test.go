package main

import "testing"

// What others wrote into the document stays.
func TestInsert(t *testing.T) {
	for name, c := range map[string]struct{ document, want string }{
		"an empty document":      {"# P\n", "# P\n\n## Live capture\n\nnew\n"},
		"behind another section": {"# P\n\n## One\n\nfirst\n", "# P\n\n## One\n\nfirst\n\n## Live capture\n\nnew\n"},
		"in place of the old":    {"# P\n\n## One\n\nfirst\n\n## Live capture\n\nold\n\n### old\n", "# P\n\n## One\n\nfirst\n\n## Live capture\n\nnew\n"},
		"before another section": {"# P\n\n## Live capture\n\nold\n\n## Two\n\nsecond\n", "# P\n\n## Live capture\n\nnew\n\n## Two\n\nsecond\n"},
	} {
		if got := insert(c.document, "new\n"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
