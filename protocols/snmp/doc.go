// Package snmp reads the Simple Network Management Protocol (RFC 1157, RFC 3416, RFC 3412) for what agents say of
// themselves, and for who changes their settings.
//
// Of the variables the system group is understood (RFC 3418: description, object id, name, location) and, of the entity
// MIB, the first entity (RFC 6933). Everything else counts as reading or as walking. An answer does what its request
// did: requests wait for it, a few a conversation, by their id. Set is a change of configuration.
//
// The package refuses to guess inside what is encrypted: version 3 with privacy is told as encrypted. It follows BER to
// a fixed depth and never a length that leads out of what holds it. A dissector is used by one goroutine.
package snmp
