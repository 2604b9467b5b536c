// Package http reads HTTP/1.x (RFC 9110, RFC 9112) for what the two ends say of themselves, and for who logs in and who
// moves files: a controller's own web server is where its firmware is changed.
//
// Heads are read, content is passed over as it comes. Of content only the first page of a conversation is glanced at for
// its title (at most 4 KiB of it, or 8 KiB where it is compressed), and the beginning of an upload for the name of the
// file. Ordinary requests and responses give one event a side; after that a message gives an event when it presents a
// user, moves a file, is the answer to such a one, or tells something new. A password is never kept.
//
// What a proxy passes on is not the proxy's: of a request or response that says it was forwarded, and of a request for
// somebody else's page, nothing is believed about the ends. A name that a client asks for becomes the server's only once
// the server answered for it.
//
// HTTP/2 is recognised by its preface and passed over, as is what follows an upgrade or a tunnel. Content that broke off
// in a gap is passed over until a segment begins with a head. A conversation keeps at most the 16 latest requests without
// an answer and 10 KiB of content. A dissector is used by one goroutine.
package http
