package http

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/nameplate"
)

const (
	longestText = 128

	claimed  = 60 // a browser says what it runs on
	answered = 40 // the server answered for the name that a client asked for
	entitled = 80 // a page shows it
	realm    = 70 // the dialogue for a password shows it
)

// told is what a side has said in a conversation.
type told struct {
	spoken, software, powered, realm bool
	name                             bool // of the server, by the client
}

// clientFacts reads the client's software and system, once.
func (c *conversation) clientFacts(h *head) (facts []protocols.Fact) {
	if !h.forwarded() && !c.told[protocols.Client].software {
		if agent := text(h.agent); agent != "" {
			c.told[protocols.Client].software = true
			facts = append(facts, protocols.Fact{About: protocols.Client, Key: protocols.FactApplication, Value: product(agent)})
			if system := agentSystem(agent); system != "" {
				facts = append(facts, protocols.Fact{About: protocols.Client, Key: protocols.FactOS, Value: system, Confidence: claimed})
			}
		}
	}
	if t := &c.told[protocols.Client]; !t.name && !c.proxied && h.host != nil {
		c.host, t.name = hostName(h.host), true
	}
	return facts
}

// serverFacts reads what a response says of the server, each once.
func (c *conversation) serverFacts(h *head) (facts []protocols.Fact) {
	if h.forwarded() || c.proxied {
		return nil
	}
	t := &c.told[protocols.Server]
	like := protocols.Fact{About: protocols.Server}
	add := func(done *bool, key protocols.FactKey, value string, confidence uint8) {
		if *done || value == "" {
			return
		}
		*done = true
		facts = append(facts, protocols.Fact{About: protocols.Server, Key: key, Value: value, Confidence: confidence})
		if key == protocols.FactApplication {
			if system := serverSystem(value); system != "" {
				facts = append(facts, protocols.Fact{About: protocols.Server, Key: protocols.FactOS, Value: system, Confidence: claimed})
			}
		}
		facts = nameplate.Append(facts, like, value)
	}
	if !t.software {
		add(&t.software, protocols.FactApplication, text(h.server), 0)
	}
	if !t.powered {
		add(&t.powered, protocols.FactApplication, text(h.powered), 0)
	}
	if !t.realm && h.challenge != nil {
		add(&t.realm, protocols.FactTitle, text(parameter(h.challenge, "realm")), realm)
	}
	if c.host != "" && h.status >= 200 && h.status < 400 {
		facts = append(facts, nameplate.Name(like, c.host, answered))
		c.host = ""
	}
	return facts
}

// products are what browsers call themselves, those first that also name others.
var products = []string{"Edg/", "Edge/", "OPR/", "Vivaldi/", "SamsungBrowser/", "Firefox/", "HeadlessChrome/", "Chrome/", "MSIE ", "Trident/"}

// product gives the browser in the long line that browsers send, or the whole line of other software.
func product(agent string) string {
	if !strings.HasPrefix(agent, "Mozilla/") {
		return agent
	}
	for _, p := range products {
		if i := strings.Index(agent, p); i >= 0 {
			return untilAny(agent[i:], " ;)", len(p))
		}
	}
	return agent
}

// agentSystems are the systems that browsers name, the most telling first.
var agentSystems = []string{"Windows NT ", "Windows CE", "Windows Phone", "Android ", "iPhone OS ", "CPU OS ", "Mac OS X ", "CrOS ", "FreeBSD", "Linux"}

func agentSystem(agent string) string {
	if !strings.HasPrefix(agent, "Mozilla/") {
		return ""
	}
	for _, s := range agentSystems {
		if i := strings.Index(agent, s); i >= 0 {
			return strings.TrimSpace(untilAny(agent[i:], " ;)", len(s)))
		}
	}
	return ""
}

// serverSystems are the systems that servers name, and what they mean.
var serverSystems = []struct{ text, system string }{
	{"Microsoft-", "Windows"}, {"(Win", "Windows"}, {"Debian", "Debian"}, {"Ubuntu", "Ubuntu"}, {"CentOS", "CentOS"},
	{"Red Hat", "Red Hat"}, {"FreeBSD", "FreeBSD"}, {"VxWorks", "VxWorks"}, {"Linux", "Linux"},
}

func serverSystem(server string) string {
	for _, s := range serverSystems {
		if strings.Contains(server, s.text) {
			return s.system
		}
	}
	return ""
}

// untilAny cuts s before the first of the ends behind from bytes.
func untilAny(s, ends string, from int) string {
	if i := strings.IndexAny(s[from:], ends); i >= 0 {
		return s[:from+i]
	}
	return s
}

// hostName gives the name in a Host field; empty where that is an address, or no name that a host has.
func hostName(field []byte) string {
	name, _, _ := bytes.Cut(field, []byte{':'})
	if len(name) == 0 || len(name) > longestText {
		return ""
	}
	letters := false
	for _, x := range name {
		letter := 'a' <= x && x <= 'z' || 'A' <= x && x <= 'Z'
		if !letter && (x < '0' || x > '9') && x != '-' && x != '.' {
			return ""
		}
		letters = letters || letter
	}
	host := strings.ToLower(strings.TrimSuffix(string(name), "."))
	if _, err := netip.ParseAddr(host); err == nil || !letters || host == "localhost" || strings.HasPrefix(host, ".") {
		return ""
	}
	return host
}

// presents notes who is presented, without keeping who it is, and reports whether it is another than before. A digest is
// another one in each request, its user is not (RFC 7616 §3.4).
func (c *conversation) presents(authorization []byte) bool {
	if user := parameter(authorization, "username"); user != nil {
		authorization = user
	} else if scheme := scheme(authorization); len(scheme) < len(authorization) && !oneStep(scheme) {
		authorization = scheme
	}
	hash := uint64(14695981039346656037) // FNV-1a
	for _, x := range authorization {
		hash = (hash ^ uint64(x)) * 1099511628211
	}
	another := hash != c.user
	c.user = hash
	return another
}

func scheme(authorization []byte) []byte {
	s, _, _ := bytes.Cut(authorization, []byte{' '})
	return s
}

// inSteps reports whether a field carries a step of a scheme that needs several (RFC 4559).
func inSteps(field []byte) bool {
	s := scheme(field)
	return len(s) < len(field) && (equalFold(s, "ntlm") || equalFold(s, "negotiate"))
}

// oneStep reports whether a scheme presents the same in each request.
func oneStep(scheme []byte) bool { return equalFold(scheme, "basic") || equalFold(scheme, "bearer") }

// userName gives the user that an authorization names, never the password.
func userName(authorization []byte) string {
	if user := parameter(authorization, "username"); user != nil {
		return text(user)
	}
	s := scheme(authorization)
	if !equalFold(s, "basic") {
		return ""
	}
	encoded := bytes.TrimSpace(authorization[len(s):])
	plain, err := base64.StdEncoding.AppendDecode(nil, encoded)
	user, _, ok := bytes.Cut(plain, []byte{':'})
	if err != nil || !ok {
		return ""
	}
	return text(user)
}

// text makes text of borrowed bytes: one line, printable, bounded; empty when it is none.
func text(b []byte) string {
	b = bytes.TrimSpace(b)
	if len(b) > longestText {
		b = b[:longestText]
		for len(b) > 0 && !utf8.RuneStart(b[len(b)-1]) {
			b = b[:len(b)-1]
		}
		if r, n := utf8.DecodeLastRune(b); r == utf8.RuneError {
			b = b[:len(b)-n]
		}
	}
	s := string(b)
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return s
}
