// Package sensor wires the parts of the sensor into one: sources, workers, the analyst's inventory, graph and detection,
// the state directory and the uplink. It is the only place that knows them all, and holds no knowledge of its own.
//
// One packet's way: capture reads it, a pipeline worker turns it into events, the analyst (the goroutine that runs the
// sink of the replay) shows each event to inventory, graph and detection in the order of capture, an alert goes into
// the spool the moment it is raised, and the uplink takes it from there.
package sensor
