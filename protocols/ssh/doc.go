// Package ssh reads what SSH shows before it encrypts (RFC 4253): who both sides say they are, and which algorithms they
// choose.
//
// The identification strings name the software, and often the operating system. The lists of algorithms settle the
// cipher, which the event of the second list names as the policy, and give the fingerprint known as HASSH, which the
// detail shows. Behind the new keys of a side everything counts as encrypted. Who logs in, and how, is never visible.
//
// A conversation in mid-stream is refused: encrypted packets look like anything. Version 1 is recognised by its
// identification and not read. A conversation keeps at most 4 KiB until both lists were seen. A dissector is used by one
// goroutine.
package ssh
