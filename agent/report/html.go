package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode"
)

//go:embed report.html.tmpl
var page string

// pages escapes everything that is put into it by where it stands.
var pages = template.Must(template.New("report").Funcs(template.FuncMap{"printable": printable, "short": shorten}).Parse(page))

// html writes a report as one file that needs nothing else.
func (r *Report) html(out io.Writer, m *siteMap) error {
	if err := pages.Execute(out, map[string]any{"Report": r, "Span": r.span(), "Sections": r.sections(), "Map": m}); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// printable leaves out what steers text instead of being it, such as marks that turn its direction around.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}
