// Package detect raises the alert of the mission: a device under a verdict has reached an OT asset, and this is what it
// did there, what it could reach next, and what to do now.
//
// The package keeps deeds, not conclusions: for each pair of asking and asked address what was done, when, how often,
// with a few messages as evidence. Alerts are derived from deeds and verdicts whenever either changes. A verdict that
// arrives after the deeds therefore raises the same alert as one that was there before.
//
// Rules are rows of a table. An alert's id depends on site, rule, addresses and episode only; its level and count
// never fall. Deeds outside a verdict's validity do not count; where old deeds are known as summaries only, what
// cannot be placed inside the validity is left out, so that an alert claims no more than is known.
//
// A Detector is owned by one goroutine; its clock is the packet's. Its tables are bounded, see [Config] and [Stats].
package detect
