package cli

import "runtime/debug"

// commit is the revision that the Makefile built; the toolchain records none in some checkouts.
var commit string

// Commit gives the revision that the binary was built from, and whether the tree was changed.
func Commit() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, modified := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " (modified)"
		}
	}
	return revision + modified
}
