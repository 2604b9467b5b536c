// Package tls reads TLS connections for what both ends show of themselves before they encrypt: the name that the client
// asks for and the fingerprint of its hello, the version and cipher suite that the server chooses, and the certificates of
// TLS 1.2 and older. Reading is package handshake's; this one frames the stream and draws conclusions.
//
// Only hellos, certificates and alerts give events. Application data passes as it comes and counts as encrypted, without
// an event a record; a conversation that was open before gives one event a side, so that it is seen to be encrypted.
//
// A name that the client asks for becomes the server's only once the server said hello. A certificate names the server as
// long as it names few: one for many names is a hoster's. No certificate is verified; that it is self-signed, or not valid
// at the time of the packet, is told in the detail.
//
// The probe wants a hello, or records that end with the segment; a connection that only ever sends longer ones is not
// recognised. A conversation keeps what package handshake keeps of a message in progress. A dissector is used by one
// goroutine.
package tls
