package store

import "time"

// TimeLayout is how the store writes every time, in its tables and in the views that hunting reads: UTC, ISO 8601,
// always nine digits of fraction, so that the order of the strings is the order of the times.
const TimeLayout = "2006-01-02T15:04:05.000000000Z"

// FormatTime writes a time as the store's tables and views hold it.
func FormatTime(t time.Time) string { return t.UTC().Format(TimeLayout) }

// ParseTime reads a time that [FormatTime] wrote.
func ParseTime(s string) (time.Time, error) { return time.Parse(TimeLayout, s) }
