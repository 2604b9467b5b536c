package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/cli"
)

// writeReport tells a person what a replay found: the devices, then the alerts in full, then what was read.
func writeReport(out io.Writer, result *sensor.Result) error {
	if len(result.Devices) > 0 {
		if err := deviceList.Write(out, "table", byAddress(result.Devices)); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	alerts := gravestFirst(result.Alerts)
	for i := range alerts {
		writeAlert(out, &alerts[i])
	}
	_, err := fmt.Fprintln(out, summaryText(&result.Summary))
	return err
}

func writeAlert(out io.Writer, a *detect.Alert) {
	fmt.Fprintf(out, "%s  %s\n", strings.ToUpper(a.Severity), a.Title)
	fmt.Fprintf(out, "  %s → %s, level %s, %s to %s, %s\n", a.ActorIP, a.TargetIP, a.Level,
		a.Time.UTC().Format(time.DateTime), a.LastTime.UTC().Format(time.TimeOnly), strings.Join(a.Techniques, " "))
	for _, line := range wrap(cli.Printable(a.Description), 96) {
		fmt.Fprintf(out, "  %s\n", line)
	}
	fmt.Fprintln(out)
	writeEvidence(out, a)
	if len(a.RecommendedActions) > 0 {
		fmt.Fprintln(out, "\n  What to do:")
	}
	for i, action := range a.RecommendedActions {
		for n, line := range wrap(cli.Printable(action), 92) {
			lead := "   "
			if n == 0 {
				lead = fmt.Sprintf("%2d.", i+1)
			}
			fmt.Fprintf(out, "  %s %s\n", lead, line)
		}
	}
	fmt.Fprintln(out)
}

// shownEvidence is how many deeds of an alert a person is shown; all of them stand in the alert's record.
const shownEvidence = 12

// writeEvidence shows the gravest deeds, in the order in which they were done.
func writeEvidence(out io.Writer, a *detect.Alert) {
	gravest := slices.Clone(a.Evidence)
	slices.SortStableFunc(gravest, func(x, y detect.Evidence) int {
		return cmp.Compare(detect.LevelRank(y.Level), detect.LevelRank(x.Level))
	})
	shown := gravest[:min(len(gravest), shownEvidence)]
	slices.SortStableFunc(shown, func(x, y detect.Evidence) int { return x.Time.Compare(y.Time) })
	for i := range shown {
		e := &shown[i]
		if e.File != "" {
			fmt.Fprintf(out, "    %s", cli.Printable(e.File))
		}
		fmt.Fprintf(out, "    frame %-8d %s  %s", e.Frame, e.Time.UTC().Format("15:04:05.000"), e.Message)
		if object := withoutEcho(e.Message, cli.Printable(e.Object)); object != "" {
			fmt.Fprintf(out, " %s", object)
		}
		if e.After != "" {
			fmt.Fprintf(out, "  %s → %s", cmp.Or(cli.Printable(e.Before), "?"), cli.Printable(e.After))
		}
		fmt.Fprintf(out, "  (%s)\n", e.Outcome)
	}
	if n := len(a.Evidence) - len(shown); n > 0 {
		fmt.Fprintf(out, "    … and %d more\n", n)
	}
}

// withoutEcho leaves out the object's first word where the message has just said it: "Download block OB1".
func withoutEcho(message, object string) string {
	word, rest, more := strings.Cut(object, " ")
	if more && strings.HasSuffix(message, " "+word) {
		return rest
	}
	return object
}

// gravestFirst sorts alerts as people should read them.
func gravestFirst(alerts []detect.Alert) []detect.Alert {
	return slices.SortedStableFunc(slices.Values(alerts), func(a, b detect.Alert) int {
		return cmp.Or(cmp.Compare(detect.SeverityRank(b.Severity), detect.SeverityRank(a.Severity)),
			cmp.Compare(detect.LevelRank(b.Level), detect.LevelRank(a.Level)), a.Time.Compare(b.Time))
	})
}

func summaryText(s *sensor.Summary) string {
	var messages []string
	for _, name := range slices.Sorted(maps.Keys(s.Messages)) {
		messages = append(messages, fmt.Sprintf("%d %s", s.Messages[name], name))
	}
	text := fmt.Sprintf("%d packets, %d devices, %d edges, %d alerts", s.Packets, s.Devices, s.Edges, s.Alerts)
	if len(messages) > 0 {
		text += "; messages: " + strings.Join(messages, ", ")
	}
	if u := s.Unparsed; u.Frames+u.Malformed+u.Gaps+u.Skipped > 0 {
		text += fmt.Sprintf("; not read: %d frames, %d malformed messages, %d gaps, %d oversized messages", u.Frames, u.Malformed, u.Gaps, u.Skipped)
	}
	return text
}

// wrap breaks text into lines of at most width runes where words allow.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
