// Package capture reads frames: from capture files here, from a monitored port where the system offers one.
//
// A [Source] yields one [Frame] at a time, in the order in which it was recorded. [Open] reads pcap and pcapng files,
// plain or compressed; [Merge] puts several sources in the order of packet time. Files are streamed: whatever their
// size, a source holds one read buffer of at most 1 MiB and the state of its decompressor, and a frame borrows that
// buffer until the next call. A length found in a file is compared with a bound before it is used; it never allocates.
//
// The package knows records, not headers: what is inside a frame is package packet's matter. It refuses to guess: a
// file that is no capture is an error that says what it is instead, and a file that ends in the middle of a record, or
// continues in nonsense, is a [DamagedError] after its good frames.
//
// A Source is used by one goroutine at a time.
package capture
