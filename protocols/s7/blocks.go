package s7

import (
	"fmt"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// block is a program block, as file names and block lists write it.
type block struct {
	kind   string // "DB", "OB", …; empty: none
	number uint32
	whole  bool // number is meant; a list is about all blocks of the kind
}

// blockKinds maps the two hexadecimal digits for a kind of block to its name.
var blockKinds = map[string]string{
	"08": "OB", "09": "CMOD", "0A": "DB", "0B": "SDB", "0C": "FC", "0D": "SFC", "0E": "FB", "0F": "SFB",
}

func blockKind(digits []byte) string {
	if kind, ok := blockKinds[string(digits)]; ok {
		return kind
	}
	return fmt.Sprintf("block-%q", digits)
}

// parseBlock reads "0A00001": two digits for the kind, five for the number.
func parseBlock(b []byte) (block, bool) {
	if len(b) < 7 {
		return block{}, false
	}
	number, err := strconv.ParseUint(string(b[2:7]), 10, 32)
	if err != nil {
		return block{}, false
	}
	return block{kind: blockKind(b[:2]), number: uint32(number), whole: true}, true
}

func (b block) object() protocols.Object {
	if b.kind == "" {
		return protocols.Object{}
	}
	if !b.whole {
		return protocols.Object{Area: "block", Name: b.kind}
	}
	return protocols.Object{Area: "block", Name: b.kind + strconv.Itoa(int(b.number))}
}

// readFilename reads the parameter of a job that names a file: function, status, six bytes, length, name. The names of
// blocks are like "_0A00001P": an underscore, the block, and the memory it goes to.
func readFilename(_ *conversation, p *message, param, _ []byte) {
	c := wire.New(param)
	c.Skip(8)
	p.filename = c.Bytes(int(c.U8()))
	if c.Failed() {
		p.fail("file name beyond a parameter of %d bytes", len(param))
		return
	}
	if p.show != nil {
		p.show.LoadLength, p.show.CodeLength = lengths(c.Bytes(int(c.U8())))
	}
	if b, ok := blockOfFile(p.filename); ok {
		p.block = b
		p.object = b.object()
		return
	}
	p.object = protocols.Object{Area: "file", Name: printable(p.filename)}
}

// lengths reads what a request to download says behind the name: a mark, then the lengths of load memory and code in
// six digits each. It gives zeros where there is nothing of the kind.
func lengths(b []byte) (load, code uint32) {
	const digits = 6
	if len(b) != 1+2*digits {
		return 0, 0
	}
	return decimal(b[1 : 1+digits]), decimal(b[1+digits:])
}

// decimal reads a number written in digits, 0 if it is none.
func decimal(b []byte) uint32 {
	n, err := strconv.ParseUint(string(b), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

func blockOfFile(name []byte) (block, bool) {
	if len(name) < 8 || name[0] != '_' {
		return block{}, false
	}
	return parseBlock(name[1:])
}

// maxUploads is how many uploads of a conversation are known at a time.
const maxUploads = 4

// uploads remembers which object an upload identifier stands for. The oldest makes room.
type uploads struct {
	ids     [maxUploads]uint32
	objects [maxUploads]protocols.Object
	next    int
}

func (u *uploads) put(id uint32, o protocols.Object) {
	i := u.find(id)
	if i < 0 {
		i, u.next = u.next, (u.next+1)%maxUploads
	}
	u.ids[i], u.objects[i] = id, o
}

func (u *uploads) find(id uint32) int {
	for i := range u.ids {
		if u.ids[i] == id && u.objects[i] != (protocols.Object{}) {
			return i
		}
	}
	return -1
}

// uploadID reads the identifier at the place where all jobs and answers of an upload have it.
func uploadID(param []byte) (uint32, bool) {
	c := wire.New(param)
	c.Skip(4)
	id := c.U32()
	return id, !c.Failed()
}

// startUpload learns which identifier the controller gave to the upload, and how much it will be.
func startUpload(c *conversation, p *message) {
	if p.show != nil {
		r := wire.New(p.param)
		r.Skip(8)
		p.show.LoadLength = decimal(r.Bytes(int(r.U8())))
	}
	id, ok := uploadID(p.param)
	if !ok {
		return
	}
	if p.object != (protocols.Object{}) {
		c.uploads.put(id, p.object)
	}
	p.show.upload(id)
}

func readUploadID(c *conversation, p *message, param, _ []byte) {
	id, ok := uploadID(param)
	if !ok {
		p.fail("upload in a parameter of %d bytes", len(param))
		return
	}
	if i := c.uploads.find(id); i >= 0 {
		p.object = c.uploads.objects[i]
	}
	p.show.upload(id)
}

func endUpload(c *conversation, p *message) {
	if p.request == nil {
		return
	}
	if id, ok := uploadID(p.request.raw); ok {
		if i := c.uploads.find(id); i >= 0 {
			c.uploads.objects[i] = protocols.Object{}
		}
	}
}
