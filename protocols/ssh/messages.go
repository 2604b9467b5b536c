package ssh

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

const (
	longestText = 255
	named       = 70 // the software's comment, or its name, says so
)

// Detail is the detail field of a dissect record, under the names of RFC 4253.
type Detail struct {
	Identification     string `json:"identification,omitempty"`
	KexAlgorithms      string `json:"kex_algorithms,omitempty"`
	HostKeyAlgorithms  string `json:"server_host_key_algorithms,omitempty"`
	EncryptionToServer string `json:"encryption_algorithms_client_to_server,omitempty"`
	EncryptionToClient string `json:"encryption_algorithms_server_to_client,omitempty"`
	MACToServer        string `json:"mac_algorithms_client_to_server,omitempty"`
	MACToClient        string `json:"mac_algorithms_server_to_client,omitempty"`
	HASSH              string `json:"hassh,omitempty"`
	ReasonCode         uint32 `json:"reason_code,omitempty"`
	Description        string `json:"description,omitempty"`
}

// makers are what software says of itself, and what that means.
var makers = []struct {
	text  string
	key   protocols.FactKey
	value string
}{
	{"Debian", protocols.FactOS, "Debian"},
	{"Ubuntu", protocols.FactOS, "Ubuntu"},
	{"Raspbian", protocols.FactOS, "Raspbian"},
	{"FreeBSD", protocols.FactOS, "FreeBSD"},
	{"NetBSD", protocols.FactOS, "NetBSD"},
	{"Windows", protocols.FactOS, "Windows"},
	{"Cisco", protocols.FactVendor, "Cisco"},
	{"ROSSSH", protocols.FactVendor, "MikroTik"},
	{"HUAWEI", protocols.FactVendor, "Huawei"},
	{"FortiSSH", protocols.FactVendor, "Fortinet"},
	{"Moxa", protocols.FactVendor, "Moxa"},
}

// identification gives what an identification string tells of its sender: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3".
func identification(from protocols.Side, line string) []protocols.Fact {
	parts := strings.SplitN(line, "-", 3)
	if len(parts) < 3 || parts[2] == "" {
		return nil
	}
	facts := []protocols.Fact{{About: from, Key: protocols.FactApplication, Value: parts[2]}}
	if from == protocols.Server {
		facts = append(facts, protocols.Fact{About: from, Key: protocols.FactBanner, Value: line})
	}
	for _, m := range makers {
		if strings.Contains(parts[2], m.text) {
			facts = append(facts, protocols.Fact{About: from, Key: m.key, Value: m.value, Confidence: named})
		}
	}
	return facts
}

// lists are the name-lists of a KEXINIT, in their order (RFC 4253 §7.1).
type lists struct {
	kex, hostKey             []byte
	encServer, encClient     []byte
	macServer, macClient     []byte
	comprServer, comprClient []byte
}

// kexInit takes a side's algorithms. The second list settles what is used: of the client's algorithms the first that the
// server has, too.
func (c *conversation) kexInit(dst []protocols.Event, m protocols.Message, f *flow, body []byte) ([]protocols.Event, error) {
	r := wire.New(body)
	r.Skip(16) // cookie
	var l lists
	for _, list := range []*[]byte{
		&l.kex, &l.hostKey, &l.encServer, &l.encClient, &l.macServer, &l.macClient, &l.comprServer, &l.comprClient,
	} {
		*list = r.Bytes(int(r.U32()))
	}
	secured := &protocols.Security{Mode: "sign-and-encrypt"}
	e := protocols.Event{
		From: m.From, Action: protocols.ActionConnect, Outcome: protocols.OutcomeAsked, Message: "SSH_MSG_KEXINIT",
		Security: secured,
	}
	if m.From == protocols.Server {
		e.Outcome = protocols.OutcomeDone
	}
	if r.Failed() {
		return append(dst, e), fmt.Errorf("ssh: %w: lists of algorithms in %d bytes", protocols.ErrMalformed, len(body))
	}
	f.kex, f.enc = keep(l.kex), keep(l.encServer)
	if other := &c.sides[m.From.Other()]; other.kex != nil {
		secured.Policy = c.policy()
		f.kex, f.enc, other.kex, other.enc = nil, nil, nil, nil
	}
	if m.Detail {
		e.Detail = l.detail(m.From)
	}
	return append(dst, e), nil
}

// keep copies the beginning of a list; it is never nil.
func keep(list []byte) []byte { return append([]byte{}, list[:min(len(list), maxList)]...) }

// policy names the key exchange and the cipher that both lists settle.
func (c *conversation) policy() string {
	client, server := &c.sides[protocols.Client], &c.sides[protocols.Server]
	return strings.TrimSpace(chosen(client.kex, server.kex) + " " + chosen(client.enc, server.enc))
}

// chosen gives the first name in the client's list that is in the server's; empty when there is none.
func chosen(client, server []byte) string {
	for name := range bytes.SplitSeq(client, []byte{','}) {
		for other := range bytes.SplitSeq(server, []byte{','}) {
			if bytes.Equal(name, other) {
				return text(name)
			}
		}
	}
	return ""
}

func (l *lists) detail(from protocols.Side) *Detail {
	enc, mac, compression := l.encServer, l.macServer, l.comprServer
	if from == protocols.Server {
		enc, mac, compression = l.encClient, l.macClient, l.comprClient
	}
	sum := md5.Sum(bytes.Join([][]byte{l.kex, enc, mac, compression}, []byte{';'}))
	return &Detail{
		KexAlgorithms: string(keep(l.kex)), HostKeyAlgorithms: string(keep(l.hostKey)),
		EncryptionToServer: string(keep(l.encServer)), EncryptionToClient: string(keep(l.encClient)),
		MACToServer: string(keep(l.macServer)), MACToClient: string(keep(l.macClient)), HASSH: hex.EncodeToString(sum[:]),
	}
}

// disconnect tells why a side gives up (RFC 4253 §11.1).
func disconnect(m protocols.Message, body []byte) protocols.Event {
	r := wire.New(body)
	code := r.U32()
	description := r.Bytes(int(r.U32()))
	e := protocols.Event{From: m.From, Action: protocols.ActionConnect, Message: "SSH_MSG_DISCONNECT"}
	if m.From == protocols.Server {
		e.Outcome = protocols.OutcomeRefused
	}
	if m.Detail {
		e.Detail = &Detail{ReasonCode: code, Description: text(description)}
	}
	return e
}

// text makes text of borrowed bytes: printable, bounded; empty when it is none.
func text(b []byte) string {
	s := strings.TrimSpace(string(b[:min(len(b), longestText)]))
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return s
}
