// Package report makes the first-hour report of a site out of what the sensor knows: the pages that an OT engineer takes
// into a meeting. It says what is there, who commands it, what is exposed, what has changed, and what the sensor could not
// see or read.
//
// It owns no data and draws no conclusion of its own that the records do not carry: a [Report] follows from one
// state.Snapshot, and two reports of the same snapshot are the same byte for byte. It reads no clock: the time of the
// report is that of the last packet. The forms are Markdown, one self-contained HTML file, and JSON; all three show the
// same Report. What devices say of themselves is hostile: every form escapes it.
//
// Everything here is a pure function of its arguments and may be used from any goroutine.
package report
