// Package uplink carries what a sensor found to its collector.
//
// A [Spool] keeps records on disk until the collector has acknowledged them; a [Client] sends them over one gRPC stream
// under mutual TLS 1.3. There are two lanes, so that alerts never wait behind routine records. A record is known by
// epoch, lane and sequence number; an acknowledgement covers everything up to its number. A record is sent until it is
// acknowledged, and the collector stores it once, so a cut loses nothing and doubles nothing. What a full spool has to
// drop becomes a gap that the collector is told of.
//
// The package refuses to slow its callers: writing to the spool waits for the disk, never for the network. It never
// decides what is worth sending. A Spool is safe for concurrent use and serves one Client; a Client runs in the
// goroutine that calls [Client.Run] and those it starts, which end with it.
package uplink
