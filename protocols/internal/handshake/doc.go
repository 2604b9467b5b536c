// Package handshake reads what TLS shows before it hides everything: the hellos, the certificates of TLS 1.2 and older,
// and alerts (RFC 8446, RFC 5246). It serves every protocol that may be wrapped in TLS, whatever carries the records.
//
// A [Session] follows both sides of one connection. It is fed with the bytes of a side in pieces of any size, for records
// and handshake messages need not begin or end where the carrier's packets do:
//
//	report := session.Read(m.From, m.Bytes, m.Detail)
//	event.Message, event.Action, event.Outcome = report.Message, report.Action, report.Outcome
//	event.Facts, event.Security = report.Facts, report.Security
//
// [ParseClientHello], [ParseServerHello] and [ParseCertificates] read single handshake messages, for carriers that
// frame them differently; [ClientHello.JA4] and [ClientHello.JA3] give the fingerprints of a client.
//
// The package decrypts nothing and judges no certificate: who issued it and whether it is valid is told, not checked.
// It refuses handshake messages over [MaxMessage], which are named and passed over. Reading hellos allocates nothing but
// the texts that a report carries; a record of application data allocates nothing. A Session belongs to one goroutine;
// what parsers return borrows the message, a [Report] does not.
package handshake
