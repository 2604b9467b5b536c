package enip

import "github.com/spanwatch/spanwatch/protocols"

const (
	maxPending = 64  // unanswered requests that a conversation keeps
	maxParts   = 512 // services inside the packets among them; a packet of the largest connection has about 200
)

// part is what is kept of a service until its answer comes.
type part struct {
	service uint8
	row     *service
	target  *target
	via     *target // the route of the Unconnected_Send around it; nil where there is none
	object  protocols.Object
	arg     uint32 // what the layout of the service needs to read the answer
}

// key is what an answer repeats of its request: session and context of the encapsulation, or the sequence count of a
// connection, which the sides know under different numbers.
type key struct {
	command    uint16
	session    uint32
	context    uint64
	connected  bool
	sequence   uint16
	connection uint32 // compared by [pairs], not here
}

func (k key) same(o key) bool {
	if k.connected || o.connected {
		return k.connected == o.connected && k.sequence == o.sequence && k.session == o.session
	}
	return k.command == o.command && k.context == o.context && (k.session == o.session || k.command == cmdRegister)
}

// request is what is kept of a message until its answer comes.
type request struct {
	frame   uint64
	key     key
	service uint8 // that the answer repeats
	routed  bool  // an Unconnected_Send carries it
	excused bool  // no answer is due, or it may have been lost
	first   part  // the service, or the packet of services
	start   uint64
	count   int // of the parts in the packet
}

// pending is the unanswered requests of a conversation, oldest first, and the parts of packets, of which newer ones
// overwrite older ones. The zero value is ready.
type pending struct {
	requests []request
	parts    []part
	next     uint64 // how many parts were ever added
	lost     uint64 // requests given up, since the last question
}

// add keeps a request. The oldest makes room.
func (p *pending) add(r request) {
	if len(p.requests) == maxPending {
		p.giveUp(0)
	}
	p.requests = append(p.requests, r)
}

// addPart keeps a service of a packet.
func (p *pending) addPart(s part) {
	if p.parts == nil {
		p.parts = make([]part, maxParts)
	}
	p.parts[p.next%maxParts] = s
	p.next++
}

// part gives service i of a packet, or false where newer ones have overwritten it.
func (p *pending) part(r *request, i int) (part, bool) {
	at := r.start + uint64(i)
	if i >= r.count || at+maxParts < p.next {
		return part{}, false
	}
	return p.parts[at%maxParts], true
}

// giveUp forgets a request that will not be answered.
func (p *pending) giveUp(i int) {
	if !p.requests[i].excused {
		p.lost++
	}
	p.remove(i)
}

func (p *pending) remove(i int) { p.requests = append(p.requests[:i], p.requests[i+1:]...) }

// take finds the request that an answer is for and removes it. accept says whether the connection and the service fit.
// Clients exist that give every request the same context: among several the newest is meant, because older ones were never
// answered; only requests of one frame were asked in one go and are answered in their order. Those passed over are given
// up.
func (p *pending) take(k key, accept func(*request) bool) (request, bool) {
	at := -1
	for i := len(p.requests) - 1; i >= 0; i-- {
		r := &p.requests[i]
		if at >= 0 && r.frame != p.requests[at].frame {
			break
		}
		if r.key.same(k) && accept(r) {
			at = i
		}
	}
	if at < 0 {
		return request{}, false
	}
	found := p.requests[at]
	p.remove(at)
	for i := at - 1; i >= 0; i-- {
		if r := &p.requests[i]; r.frame < found.frame && r.key.same(k) && accept(r) {
			p.giveUp(i)
		}
	}
	return found, true
}

// excuse says that the answers to what is open may be among bytes that were lost.
func (p *pending) excuse() {
	for i := range p.requests {
		p.requests[i].excused = true
	}
}

// forget drops what is open: requests were lost, and an answer must not be given to the wrong one.
func (p *pending) forget() { p.requests = p.requests[:0] }

// unanswered gives how many requests were given up since the last call; with those still open when nothing follows.
func (p *pending) unanswered(ended bool) uint64 {
	if ended {
		for i := range p.requests {
			if !p.requests[i].excused {
				p.lost++
			}
		}
		p.requests = nil
	}
	n := p.lost
	p.lost = 0
	return n
}

const maxPairs = 32

// pairs remembers which connection number of the client belongs to which of the server: Forward_Open tells, or the first
// answer that fits one request alone. The oldest makes room.
type pairs struct {
	known [maxPairs]pair
	next  int
}

type pair struct {
	asks, answers uint32 // O->T and T->O; 0, 0 is none
	told          bool   // Forward_Open said so
}

// put learns a pair. What was known of either number is forgotten.
func (s *pairs) put(asks, answers uint32, told bool) {
	for i, p := range s.known {
		if p != (pair{}) && (p.asks == asks || p.answers == answers) {
			s.known[i] = pair{}
		}
	}
	s.known[s.next] = pair{asks, answers, told}
	s.next = (s.next + 1) % maxPairs
}

// doubt forgets what was concluded about a connection: an answer did not fit.
func (s *pairs) doubt(answers uint32) {
	for i, p := range s.known {
		if p.answers == answers && !p.told {
			s.known[i] = pair{}
		}
	}
}

// taken reports whether the answers to what comes on a connection are known to go out on one.
func (s *pairs) taken(asks uint32) bool {
	for _, p := range s.known {
		if p.asks == asks && p != (pair{}) {
			return true
		}
	}
	return false
}

// of gives the connection on which requests come whose answers go out on another.
func (s *pairs) of(answers uint32) (asks uint32, ok bool) {
	for _, p := range s.known {
		if p.answers == answers && p != (pair{}) {
			return p.asks, true
		}
	}
	return 0, false
}
