package detect

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

// techniquesTSV is the techniques of ATT&CK for ICS v18.1: id, name, tactics, status.
//
//go:embed techniques.tsv
var techniquesTSV string

// techniqueNames maps the ids of ATT&CK for ICS to names.
var techniqueNames = func() map[string]string {
	names := make(map[string]string)
	for _, line := range strings.Split(techniquesTSV, "\n") {
		if f := strings.Split(line, "\t"); len(f) == 4 && f[0] != "id" {
			names[f[0]] = f[1]
		}
	}
	return names
}()

// enterprise matches technique ids of ATT&CK for Enterprise, which verdicts about computers carry and whose list does
// not ship here.
var enterprise = regexp.MustCompile(`^T1\d{3}(\.\d{3})?$`)

// TechniqueName gives the name of a technique of ATT&CK for ICS; empty when there is none with that id.
func TechniqueName(id string) string { return techniqueNames[id] }

func checkTechniques(ids []string) error {
	for _, id := range ids {
		if techniqueNames[id] == "" && !enterprise.MatchString(id) {
			return fmt.Errorf("unknown technique %q: want an id of ATT&CK such as T0855 or T1059.001", id)
		}
	}
	return nil
}
