package recognised

import "github.com/spanwatch/spanwatch/protocols"

// databases are where historians keep what they gather.
var databases = []protocol{
	{name: "postgresql", title: "PostgreSQL", tcp: []uint16{5432}, look: lookPostgreSQL},
	{name: "tds", title: "TDS", tcp: []uint16{1433}, look: lookTDS},
}

// postgresRequests are the codes that stand where a version would (PostgreSQL 17, 53.7), with the length of the message.
var postgresRequests = [...]struct{ bytes, name string }{
	{"\x00\x00\x00\x10\x04\xd2\x16\x2e", "CancelRequest"},
	{"\x00\x00\x00\x08\x04\xd2\x16\x2f", "SSLRequest"},
	{"\x00\x00\x00\x08\x04\xd2\x16\x30", "GSSENCRequest"},
}

// postgresAnswers are how a server begins: what it wants for authentication, and none with what follows it.
var postgresAnswers = [...]struct{ bytes, name string }{
	{"R\x00\x00\x00\x08\x00\x00\x00\x00S\x00\x00\x00", "AuthenticationOk"},
	{"R\x00\x00\x00\x08\x00\x00\x00\x03", "AuthenticationCleartextPassword"},
	{"R\x00\x00\x00\x0c\x00\x00\x00\x05", "AuthenticationMD5Password"},
	{"R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\x00", "AuthenticationSASL"},
	{"R\x00\x00\x00\x2a\x00\x00\x00\x0aSCRAM-SHA-256", "AuthenticationSASL"},
}

// lookPostgreSQL wants a request for encryption or cancellation, a start-up message of version 3 with a parameter that
// has a name, or the answer about authentication.
func lookPostgreSQL(_ protocols.Transport, b []byte) (protocols.Match, string) {
	const shortest, longest, parameter = 13, 10000, 8
	h := head(b)
	for _, r := range postgresRequests {
		if h.text(0, r.bytes) {
			return h.enough(len(r.bytes), protocols.YesClient, r.name)
		}
	}
	for _, a := range postgresAnswers {
		if h.text(0, a.bytes) {
			return h.enough(len(a.bytes), protocols.YesServer, a.name)
		}
	}
	if !h.be32(0, shortest, longest) || !h.zero(0, 2) || !h.text(4, "\x00\x03\x00") || !h.within(7, 0, 2) {
		return no()
	}
	for i := parameter; i < parameter+4; i++ {
		if !h.within(i, '_', 'z') {
			return no()
		}
	}
	return h.enough(parameter+4, protocols.YesClient, "StartupMessage")
}

// Packet types of [MS-TDS] 2.2.3.1.1.
const (
	tdsResponse = 0x04
	tdsLogin7   = 0x10
	tdsPreLogin = 0x12
	tdsHeader   = 8
)

// lookTDS wants the packet that opens a conversation, the login, or the answer to one of them: the header, and a body
// that begins as the type demands.
func lookTDS(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if !h.among(0, "\x04\x10\x12") || !h.within(1, 0, 1) || !h.be16(2, tdsHeader+8, 1<<15) || !h.within(6, 0, 2) || !h.is(7, 0) {
		return no()
	}
	if len(b) < tdsHeader {
		return more()
	}
	n := h.u16(2)
	// The first option of a pre-login is the version, six bytes behind the list of options (2.2.6.5).
	options := h.is(tdsHeader, 0) && h.be16(tdsHeader+1, 6, n-tdsHeader-6) && h.be16(tdsHeader+3, 6, 6)
	switch {
	case b[0] == tdsPreLogin && options && h.is(1, 1):
		return h.enough(tdsHeader+5, protocols.YesClient, "Pre-Login")
	case b[0] == tdsResponse && options:
		return h.enough(tdsHeader+5, protocols.YesServer, "Pre-Login response")
	case b[0] == tdsLogin7 && h.le32(tdsHeader, 36, 1<<17) && h.le32(tdsHeader+4, 0x70000000, 0x74ffffff):
		return h.enough(tdsHeader+8, protocols.YesClient, "Login7")
	case b[0] == tdsResponse && h.is(tdsHeader, 0xe3) && h.le16(tdsHeader+1, 2, n-tdsHeader-3) && h.within(tdsHeader+3, 1, 20):
		return h.enough(tdsHeader+4, protocols.YesServer, "Login response")
	}
	return no()
}
