package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/cli"
	"github.com/spanwatch/spanwatch/cloud/hunt"
	"github.com/spanwatch/spanwatch/cloud/store"
)

func huntCommand() *cobra.Command {
	var p place
	var format string
	var check bool
	cmd := &cobra.Command{
		Use:   "hunt 'KQL' | hunt --check FILE...",
		Short: "Run a hunting query in KQL",
		Long: `hunt runs a query over DeviceInfo, AlertInfo and AlertEvidence, whose columns are those of
Microsoft Defender's advanced hunting, with Site and IPAddresses. It knows where, project,
project-away, extend, summarize, count, sort, top, take and distinct.

With --check it only parses and binds the queries in files, one a file, and says for each
"FILE: ok" or "FILE:line:column: reason".`,
		Example: `  spanwatch-cloud hunt 'DeviceInfo | where Site == "Plant1" and DeviceCategory == "Endpoint" | project DeviceName, PublicIP'
  spanwatch-cloud hunt --format csv 'AlertInfo | where Timestamp > ago(7d) | summarize count() by Severity'
  spanwatch-cloud hunt --check queries/*.kql`,
		Args: func(cmd *cobra.Command, args []string) error {
			if check {
				return cli.Arguments(cobra.MinimumNArgs(1))(cmd, args)
			}
			return cli.Arguments(cobra.ExactArgs(1))(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if check {
				return checkQueries(os.Stdout, args)
			}
			if err := cli.CheckFormat(format, cli.Formats...); err != nil {
				return err
			}
			return p.read(cmd.Context(), func(s store.Store) error {
				result, err := hunt.New(s).Run(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if result.More {
					cli.Warn(cmd, fmt.Sprintf("there are more than %d rows; narrow the query or summarize", hunt.MaxRows))
				}
				return writeResult(os.Stdout, format, result)
			})
		},
	}
	p.flags(cmd)
	cli.FormatFlag(cmd, &format, cli.Formats...)
	cmd.Flags().BoolVar(&check, "check", false, "parse and bind the queries in FILEs, and run none")
	return cmd
}

// checkQueries says of each file whether its query could run. It fails when one could not.
func checkQueries(out io.Writer, files []string) error {
	wrong := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			err = hunt.Check(string(text))
		}
		var fault *hunt.Fault
		switch {
		case errors.As(err, &fault):
			wrong++
			fmt.Fprintf(out, "%s:%v\n", file, fault)
		case err != nil:
			return fmt.Errorf("hunt: %w", err)
		default:
			fmt.Fprintf(out, "%s: ok\n", file)
		}
	}
	if wrong > 0 {
		return fmt.Errorf("hunt: %d of %d queries cannot run", wrong, len(files))
	}
	return nil
}

func writeResult(out io.Writer, format string, result *hunt.Result) error {
	names := make([]string, len(result.Columns))
	for i, c := range result.Columns {
		names[i] = c.Name
	}
	if format == "json" {
		return writeObjects(out, names, result.Rows)
	}
	rows := make([][]string, len(result.Rows))
	for r, row := range result.Rows {
		rows[r] = make([]string, len(row))
		for i, cell := range row {
			rows[r][i] = cellText(cell)
		}
	}
	if format == "csv" {
		return cli.WriteCSV(out, names, rows)
	}
	return cli.WriteTable(out, names, rows)
}

// writeObjects prints one JSON object a row, its keys in the order of the columns.
func writeObjects(out io.Writer, names []string, rows [][]any) error {
	for _, row := range rows {
		line := []byte{'{'}
		for i, cell := range row {
			key, err := json.Marshal(names[i])
			if err != nil {
				return err
			}
			value, err := json.Marshal(cell)
			if err != nil {
				return err
			}
			if i > 0 {
				line = append(line, ',')
			}
			line = append(append(append(line, key...), ':'), value...)
		}
		if _, err := out.Write(append(line, '}', '\n')); err != nil {
			return err
		}
	}
	return nil
}

func cellText(cell any) string {
	switch v := cell.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}
