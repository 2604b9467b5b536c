package opcua

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// openChannel reads the parameters of an OpenSecureChannelRequest (Part 4, 5.5.2). It is readable under policy None only,
// so the mode that it asks for tells nothing new.
func (d *conversation) openChannel() {
	c := &d.body
	c.Skip(4) // protocol version
	renewal := c.LE32() == 1
	c.Skip(4) // mode
	octets(c) // nonce
	lifetime := c.LE32()
	if d.detail != nil && !c.Failed() {
		d.detail.Renewal, d.detail.Lifetime = renewal, lifetime
	}
}

// openedChannel reads the parameters of an OpenSecureChannelResponse.
func (d *conversation) openedChannel() {
	c := &d.body
	c.Skip(4 + 4) // protocol version, channel
	token := c.LE32()
	c.Skip(8) // time
	lifetime := c.LE32()
	octets(c) // nonce
	if d.detail != nil && !c.Failed() {
		d.detail.NewToken, d.detail.Lifetime = shown(token), lifetime
	}
}

// application is an ApplicationDescription (Part 4, 7.2).
type application struct {
	uri, product, name []byte
	kind               uint32
	url                []byte // the first discovery URL
}

// Application types (Part 4, 7.4).
const clientAndServer = 2

// application reads an ApplicationDescription and shows the first one of a message.
func (d *conversation) application(c *wire.Cursor) application {
	a := application{uri: octets(c), product: octets(c), name: localizedText(c), kind: c.LE32()}
	octets(c) // gateway
	octets(c) // discovery profile
	for i := range count(c, 4) {
		if url := octets(c); i == 0 {
			a.url = url
		}
	}
	if !c.Failed() {
		d.show(func(x *Detail) *string { return &x.ApplicationURI }, a.uri)
		d.show(func(x *Detail) *string { return &x.ApplicationName }, a.name)
		d.show(func(x *Detail) *string { return &x.ProductURI }, a.product)
	}
	return a
}

// describe tells what an application says of itself. The name is chosen by whoever installed it, the product's URI by
// its maker; an application that is client and server at once is what supervisory systems are.
func (d *conversation) describe(about subject, a application) {
	name := a.name
	if len(name) == 0 {
		name = a.uri
	}
	d.tell(about, protocols.FactApplication, name, 80)
	d.tell(about, protocols.FactProduct, a.product, 80)
	d.tell(about, protocols.FactVendor, maker(a.product), 20)
	d.tell(about, protocols.FactURL, a.url, 80)
	d.tell(about, protocols.FactName, hostName(a.url), 50)
	if a.kind == clientAndServer {
		d.tell(about, protocols.FactRole, []byte("scada-server"), 20)
	}
}

// Fewest bytes of the elements of the discovery and session services.
const (
	leastApplication = 4 + 4 + 1 + 4 + 4 + 4 + 4
	leastTokenPolicy = 4 + 4 + 4 + 4 + 4
	leastRecord      = 4 + 4 + 4 + 4
	leastEndpoint    = 4 + leastApplication + 4 + 4 + 4 + 4 + 4 + 1
)

// endpoints reads an array of EndpointDescription (Part 4, 7.14) and tells what its server is and which protection it
// offers.
func (d *conversation) endpoints() {
	c := &d.body
	server := subject{side: protocols.Server}
	var offered []string
	for range d.count(leastEndpoint) {
		url := octets(c)
		a := d.application(c)
		certificate := octets(c)
		mode, policy := modeName(c.LE32()), octets(c)
		for i := count(c, leastTokenPolicy); i > 0 && !c.Failed(); i-- {
			octets(c) // policy id
			d.listToken(c.LE32())
			octets(c) // issued token type
			octets(c) // issuer
			octets(c) // policy URI
		}
		octets(c) // transport profile
		c.Skip(1) // level
		if c.Failed() {
			break
		}
		d.show(func(x *Detail) *string { return &x.EndpointURL }, url)
		d.tell(server, protocols.FactURL, url, 80)
		d.tell(server, protocols.FactName, hostName(url), 50)
		d.describe(server, a)
		d.certificate(protocols.Server, certificate)
		offered = appendOffer(offered, mode, policy)
	}
	d.tell(server, protocols.FactProtection, []byte(strings.Join(offered, ", ")), 0)
}

// tokenTypes are the ways in which a user may identify (Part 4, 7.42), under the names of [protocols.Security].
var tokenTypes = [...]string{"anonymous", "username", "certificate", "issued"}

// listToken lists a way in which the server lets users identify.
func (d *conversation) listToken(kind uint32) {
	if d.detail == nil || kind >= uint32(len(tokenTypes)) || slices.Contains(d.detail.UserTokens, tokenTypes[kind]) {
		return
	}
	d.detail.UserTokens = append(d.detail.UserTokens, tokenTypes[kind])
}

// maxOffers bounds the kinds of protection that are told of a server.
const maxOffers = 16

// appendOffer adds "POLICY MODE" to a list without doubles.
func appendOffer(list []string, mode string, policy []byte) []string {
	offer := strings.TrimPrefix(text(policy), policyPrefix)
	if mode != modeNone {
		offer += " " + mode
	}
	for _, known := range list {
		if known == offer {
			return list
		}
	}
	if len(list) == maxOffers {
		return list
	}
	return append(list, offer)
}

// askEndpoint reads the parameters of a GetEndpointsRequest or FindServersRequest (Part 4, 5.4.2 and 5.4.4).
func (d *conversation) askEndpoint() {
	o := d.endpoint(octets(&d.body))
	skipStrings(&d.body, 1) // locales
	skipStrings(&d.body, 1) // profiles, or servers
	if o.Name != "" {
		d.target(o, d.service.action, protocols.Values{})
	}
}

// gotEndpoints reads the parameters of a GetEndpointsResponse.
func (d *conversation) gotEndpoints() { d.endpoints() }

// foundServers reads the parameters of a FindServersResponse. A directory tells of others: those are known by the
// address in their URL.
func (d *conversation) foundServers() {
	c := &d.body
	n := d.count(leastApplication)
	for range n {
		a := d.application(c)
		if c.Failed() {
			return
		}
		about := subject{side: protocols.Server}
		if addr, ok := address(a.url); ok {
			about.addr = addr
		} else if n > 1 {
			continue
		}
		d.describe(about, a)
	}
}

// address gives the address in a URL, where it is one that says who is meant.
func address(url []byte) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(string(host(url)))
	return addr.WithZone(""), err == nil && !addr.IsLoopback() && !addr.IsUnspecified()
}

// foundOnNetwork reads the parameters of a FindServersOnNetworkResponse (Part 4, 5.4.3): servers that announced
// themselves to a directory. Those whose URL has an address are told of.
func (d *conversation) foundOnNetwork() {
	c := &d.body
	c.Skip(8) // since when
	for range d.count(leastRecord) {
		c.Skip(4) // number of the record
		name, url := octets(c), octets(c)
		skipStrings(c, 1) // capabilities
		if c.Failed() {
			return
		}
		if addr, ok := address(url); ok {
			about := subject{addr: addr}
			d.tell(about, protocols.FactApplication, name, 60)
			d.tell(about, protocols.FactURL, url, 60)
		}
	}
}

// registerServer reads the RegisteredServer at the start of the parameters of a RegisterServerRequest or
// RegisterServer2Request (Part 4, 5.4.5 and 5.4.6): here the client is the server that announces itself.
func (d *conversation) registerServer() {
	c := &d.body
	a := application{uri: octets(c), product: octets(c)}
	for i := range count(c, 1) {
		name := localizedText(c)
		if c.Failed() {
			return
		}
		if i == 0 {
			a.name = name
		}
	}
	a.kind = c.LE32()
	octets(c) // gateway
	for i := range count(c, 4) {
		if url := octets(c); i == 0 {
			a.url = url
		}
	}
	octets(c) // semaphore file
	c.Skip(1) // online
	if d.service.id == registerServer2ID {
		for i := count(c, leastExtension); i > 0 && !c.Failed(); i-- {
			extensionObject(c)
		}
	}
	if !c.Failed() {
		d.show(func(x *Detail) *string { return &x.ProductURI }, a.product)
		d.describe(subject{side: protocols.Client}, a)
	}
}

const registerServer2ID = 12211

// createSession reads the parameters of a CreateSessionRequest (Part 4, 5.6.2).
func (d *conversation) createSession() {
	c := &d.body
	a := d.application(c)
	octets(c) // server
	url, name := octets(c), octets(c)
	octets(c) // nonce
	certificate := octets(c)
	c.Skip(12) // timeout, largest answer
	if c.Failed() {
		return
	}
	d.describe(subject{side: protocols.Client}, a)
	d.endpoint(url)
	d.show(func(x *Detail) *string { return &x.SessionName }, name)
	d.certificate(protocols.Client, certificate)
	if len(name) > 0 {
		d.target(protocols.Object{Area: areaSession, Name: d.names.text(name)}, protocols.ActionConnect, protocols.Values{})
	}
}

// createdSession reads the parameters of a CreateSessionResponse.
func (d *conversation) createdSession() {
	c := &d.body
	skipNodeID(c) // session
	skipNodeID(c) // authentication token: a secret, it stays here
	c.Skip(8)     // timeout
	octets(c)     // nonce
	certificate := octets(c)
	d.endpoints()
	skipStrings(c, 2) // software certificates
	octets(c)         // algorithm and
	octets(c)         // signature
	c.Skip(4)         // largest request
	if !c.Failed() {
		d.certificate(protocols.Server, certificate)
	}
}

// identityTokens are the kinds of user identity tokens (Part 4, 7.40) by their binary encoding id.
var identityTokens = map[uint32]string{
	0:           "anonymous", // no token is the same (Part 4, 5.6.3)
	321:         "anonymous",
	userTokenID: "username",
	327:         "certificate",
	940:         "issued",
}

const userTokenID = 324

// activateSession reads the parameters of an ActivateSessionRequest (Part 4, 5.6.3). A password is never kept.
func (d *conversation) activateSession() {
	c := &d.body
	octets(c)         // algorithm and
	octets(c)         // signature
	skipStrings(c, 2) // software certificates
	skipStrings(c, 1) // locales
	token := extensionObject(c)
	octets(c) // algorithm and
	octets(c) // signature
	if c.Failed() {
		return
	}
	d.msgUser = identityTokens[token.id()]
	if d.detail != nil {
		d.detail.UserToken = d.msgUser
	}
	if token.id() != userTokenID {
		return
	}
	inner := wire.New(token.body)
	octets(&inner) // policy id
	name := octets(&inner)
	if len(name) == 0 {
		return
	}
	d.tell(subject{side: protocols.Client}, protocols.FactUser, name, 0)
	d.target(protocols.Object{Area: areaUser, Name: d.names.text(name)}, protocols.ActionLogin, protocols.Values{})
}

// activatedSession reads the parameters of an ActivateSessionResponse, which comes only when the user was accepted. Its
// results are about software certificates, not about the user.
func (d *conversation) activatedSession() {
	octets(&d.body)                                 // nonce
	d.body.Skip(leastStatus * d.count(leastStatus)) // results
	skipDiagnostics(&d.body)
	if d.answered {
		d.user = d.request.user
	}
}
