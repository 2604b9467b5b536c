// Package graph keeps who asked what of whom: one edge for each client device, server device, protocol and server
// port, with its actions, objects, sums and times, and what a device can reach over such edges.
//
// The graph stores by address and resolves addresses to device ids only when it is read, so that what inventory
// learns late holds for what was seen early. All merges are sums, unions, minima and maxima: the order of flow reports
// does not matter. A conversation whose direction is still a guess is held apart until content settles it.
//
// A Graph is owned by one goroutine; its clock is the packet's. Its tables are bounded, see [Config] and [Stats].
package graph
