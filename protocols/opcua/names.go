package opcua

const (
	maxNames     = 4096      // node names that a conversation remembers
	maxNameBytes = 256 << 10 // and the bytes they and their keys may have
	headers      = 32        // bytes of the two string headers
)

// names gives the text of node ids without building it again for each poll. The key is the id as it is encoded. When
// the table is full it starts anew: strings that were handed out stay valid.
type names struct {
	byID    map[string]string
	bytes   int
	scratch []byte
}

// node gives the text of an encoded NodeId or ExpandedNodeId.
func (n *names) node(raw []byte) string {
	if name, ok := n.byID[string(raw)]; ok {
		return name
	}
	return n.add(string(raw), nodeText(raw))
}

// alias makes an encoded id another one for a node that has a name. An id that has a name of its own by now takes the new
// one: it is the server's to give.
func (n *names) alias(raw []byte, name string) {
	if name == "" || n.node(raw) == name {
		return
	}
	if old, ok := n.byID[string(raw)]; ok {
		n.bytes -= len(raw) + len(old) + headers
		delete(n.byID, string(raw))
	}
	n.add(string(raw), name)
}

// method names a method of an object: "OBJECT METHOD". No encoded id begins like its key.
func (n *names) method(object, method string) string {
	n.scratch = append(append(append(append(n.scratch[:0], 0xff), object...), ' '), method...)
	if name, ok := n.byID[string(n.scratch)]; ok {
		return name
	}
	return n.add(string(n.scratch), object+" "+method)
}

// text keeps any other short text: URLs, session and user names.
func (n *names) text(b []byte) string {
	if len(b) > maxText {
		return text(b)
	}
	n.scratch = append(append(n.scratch[:0], 0xfe), b...)
	if name, ok := n.byID[string(n.scratch)]; ok {
		return name
	}
	return n.add(string(n.scratch), text(b))
}

func (n *names) add(key, name string) string {
	size := len(key) + len(name) + headers
	if len(n.byID) >= maxNames || n.bytes+size > maxNameBytes {
		clear(n.byID)
		n.bytes = 0
	}
	if size > maxNameBytes/8 {
		return name // one name must not push the others out
	}
	if n.byID == nil {
		n.byID = make(map[string]string)
	}
	n.byID[key] = name
	n.bytes += size
	return name
}
