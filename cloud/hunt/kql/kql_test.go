package kql

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestFaultsAreNamedWhereTheyStand(t *testing.T) {
	tests := map[string]struct{ query, want string }{
		"empty":                 {"  \n", "2:1: the query is empty"},
		"no table":              {"| take 1", "1:1: a query begins with a table"},
		"unknown table":         {"DeviceInf | take 1", "1:1: there is no table 'DeviceInf'; did you mean DeviceInfo?"},
		"another table":         {"Users", "there are DeviceInfo, AlertInfo, AlertEvidence"},
		"wrong case":            {"deviceinfo", "did you mean DeviceInfo?"},
		"unknown operator":      {"DeviceInfo\n| wehre Site == 'x'", "2:3: 'wehre' is not an operator; did you mean where?"},
		"unknown column":        {"DeviceInfo | where PublicIp == '1'", "1:20: there is no column 'PublicIp' here; did you mean PublicIP?"},
		"column projected away": {"DeviceInfo | project Site | where Vendor == ''", "1:35: there is no column 'Vendor' here"},
		"unknown function":      {"DeviceInfo | where tolowr(Site) == ''", "did you mean tolower?"},
		"aggregate outside":     {"DeviceInfo | where count() > 1", "belongs into summarize"},
		"scalar as aggregate":   {"DeviceInfo | summarize tolower(Site)", "there is no aggregate tolower()"},
		"open string":           {`DeviceInfo | where Site == "x`, "1:28: the string is not closed on its line"},
		"bad escape":            {`DeviceInfo | where Site == "\q"`, `\q is not an escape`},
		"stray character":       {"DeviceInfo | where Site == #", "is not part of the language"},
		"one equals sign":       {"DeviceInfo | where Site = 'x'", `1:25: expected "|", found '='`},
		"not a condition":       {"DeviceInfo | where Site", "1:20: expected a bool, this is a string"},
		"time against text":     {"DeviceInfo | where Timestamp > '2026'", "a datetime and a string cannot be compared; write datetime("},
		"time against number":   {"DeviceInfo | where Timestamp > 5", "a datetime and a long cannot be compared"},
		"bad datetime":          {"DeviceInfo | where Timestamp > datetime(yesterday)", `"yesterday" is not a datetime`},
		"bad unit":              {"DeviceInfo | where Timestamp > ago(5q)", "5q is neither a number nor a timespan"},
		"take of a fraction":    {"DeviceInfo | take 1.5", "take needs a whole number"},
		"take of a name":        {"DeviceInfo | take x", "take needs a whole number"},
		"two of a name":         {"DeviceInfo | project Site, Site", `there are two columns "Site"`},
		"nothing left":          {"AlertInfo | project AlertId | project-away AlertId", "project-away leaves no column"},
		"two queries":           {"DeviceInfo; AlertInfo", "one query at a time"},
		"missing parenthesis":   {"DeviceInfo | where (Site == 'x'", `expected ")"`},
		"empty list":            {"DeviceInfo | where Site in ()", "needs at least one value"},
		"wrong count":           {"DeviceInfo | extend x = strlen()", "strlen() takes 1 arguments, not 0"},
		"deep":                  {"DeviceInfo | where " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000), "nested more than"},
		"deep minus":            {"DeviceInfo | where " + strings.Repeat("-", 5000) + "1 > 0", "nested more than"},
		"wide":                  {"DeviceInfo | where true" + strings.Repeat(" or true", 5000), "in a row"},
		"long":                  {"DeviceInfo | where Site == '" + strings.Repeat("x", maxQuery) + "'", "at most"},
		"join":                  {"DeviceInfo | join AlertInfo on DeviceId", "'join' is not an operator"},
	}
	for name, test := range tests {
		_, err := Compile(test.query, noon)
		var fault *Error
		if !errors.As(err, &fault) {
			t.Errorf("%s: error %v, want a fault with a position", name, err)
		} else if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %q does not say %q", name, err, test.want)
		}
	}
}

// Nothing that a query writes may become text of the statement.
func TestNoTextReachesTheStatement(t *testing.T) {
	hostile := `x'); DROP TABLE alert; --`
	queries := []string{
		`DeviceInfo | where Site == "` + hostile + `"`,
		`DeviceInfo | where Site has "` + hostile + `" or Site in~ ("` + hostile + `")`,
		`DeviceInfo | extend y = strcat(Site, "` + hostile + `") | summarize count() by y`,
		`DeviceInfo | where Timestamp between (ago(1d) .. now()) and Site startswith @"` + hostile + `"`,
	}
	for _, q := range queries {
		plan, err := Compile(q, noon)
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		if strings.Contains(plan.SQL, "DROP") {
			t.Errorf("%s became %s", q, plan.SQL)
		}
		if n := strings.Count(strings.ReplaceAll(plan.SQL, "'?'", ""), "?") - strings.Count(plan.SQL, "'[?]'"); n != len(plan.Args) {
			t.Errorf("%s: %d places for %d arguments in %s", q, n, len(plan.Args), plan.SQL)
		}
	}
	plan, err := Compile(`DeviceInfo | extend ['a"; DROP TABLE alert; --'] = 1`, noon)
	if err != nil || !strings.Contains(plan.SQL, `"a""; DROP TABLE alert; --"`) {
		t.Errorf("a quoted name is not quoted: %v, %v", plan, err)
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`DeviceInfo | where Site == "SanFrancisco" and PublicIP == "192.168.1.1" and DeviceCategory == "Endpoint"`,
		"AlertInfo\n| where Timestamp > ago(7d) // a week\n| summarize n = count(), max(Timestamp) by bin(Timestamp, 1h), Severity | sort by n desc nulls last | take 5",
		"AlertEvidence | distinct DeviceName, ['x y'] | top 3 by DeviceName asc",
		"DeviceInfo | extend a = iff(Site =~ 'x', 1, -2.5) | project-away Site | where a in (1, 2) and not(a !between (1 .. 3)) | count;",
		"DeviceInfo | where Timestamp > datetime(2026-01-02T03:04:05Z) - 2h and DeviceName !has h@'a\"' | project\u00a0Site",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		plan, err := Compile(query, noon)
		if err != nil {
			var fault *Error
			if !errors.As(err, &fault) || fault.Line < 1 || fault.Column < 1 {
				t.Fatalf("%q: %v is no fault with a position", query, err)
			}
			return
		}
		if len(plan.Columns) == 0 {
			t.Fatalf("%q gives no column", query)
		}
	})
}
