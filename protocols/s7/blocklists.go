package s7

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/protocols/wire"
)

// What a controller tells of its blocks. It goes into the detail, for who asks for it.

// blockRecord is the length of a record in lists of blocks.
const blockRecord = 4

// answerBlockCounts reads how many blocks of each kind there are: two digits for the kind, a count.
func answerBlockCounts(_ *conversation, p *message) {
	if p.show == nil {
		return
	}
	p.show.BlockCounts = make(map[string]uint16)
	for b := p.data; len(b) >= blockRecord; b = b[blockRecord:] {
		p.show.BlockCounts[blockKind(b[:2])] = binary.BigEndian.Uint16(b[2:])
	}
}

// answerBlockList reads the numbers of the blocks of one kind, each with flags and language.
func answerBlockList(_ *conversation, p *message) {
	if p.show == nil {
		return
	}
	for b := p.data; len(b) >= blockRecord; b = b[blockRecord:] {
		p.show.Blocks = append(p.show.Blocks, binary.BigEndian.Uint16(b))
	}
}

// DetailBlock is what a controller tells of one block.
type DetailBlock struct {
	Kind       string `json:"kind"`
	Number     uint16 `json:"number"`
	Language   string `json:"language,omitempty"`
	LoadLength uint32 `json:"load_length"` // bytes in the load memory
	CodeLength uint16 `json:"code_length"` // bytes of code
	Protected  bool   `json:"protected,omitempty"`
	Code       string `json:"code_time,omitempty"`      // when the code changed
	Interface  string `json:"interface_time,omitempty"` // when the interface changed
	Author     string `json:"author,omitempty"`
	Family     string `json:"family,omitempty"`
	Name       string `json:"name,omitempty"`
	Version    string `json:"version,omitempty"`
	Checksum   string `json:"checksum"` // hexadecimal
}

// languages are those in which blocks are written, by number.
var languages = [...]string{
	1: "STL", 2: "LAD", 3: "FBD", 4: "SCL", 5: "DB", 6: "GRAPH", 7: "SDB", 8: "CPU-DB", 0x11: "SDB routing", 0x12: "SDB",
	0x29: "ENCRYPT",
}

// answerBlockInfo reads what a controller tells of one block.
func answerBlockInfo(_ *conversation, p *message) {
	if p.show == nil {
		return
	}
	r := wire.New(p.data)
	r.Skip(10) // two bytes, length of what follows, two bytes, mark, a byte, flags
	var d DetailBlock
	language := r.U8()
	d.Kind = blockKind(fmt.Appendf(nil, "%02X", r.U8()))
	d.Number, d.LoadLength = r.U16(), r.U32()
	d.Protected = r.U32() != 0
	d.Code, d.Interface = stamp(&r), stamp(&r)
	r.Skip(6) // lengths of tables and local data
	d.CodeLength = r.U16()
	d.Author, d.Family, d.Name = label(r.Bytes(8)), label(r.Bytes(8)), label(r.Bytes(8))
	version := r.U8()
	r.Skip(1)
	d.Checksum = fmt.Sprintf("%04x", r.U16())
	if r.Failed() {
		return // a refusal, or a controller that tells less
	}
	if int(language) < len(languages) {
		d.Language = languages[language]
	}
	d.Version = fmt.Sprintf("%d.%d", version>>4, version&0x0f)
	p.show.BlockInfo = &d
}

func label(b []byte) string { return strings.TrimSpace(printable(b)) }

// stamp reads a time of six bytes: milliseconds of the day, and days since 1984.
func stamp(r *wire.Cursor) string {
	ms, days := r.U32(), r.U16()
	if days == 0 && ms == 0 {
		return ""
	}
	t := time.Date(1984, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(days)).Add(time.Duration(ms) * time.Millisecond)
	return t.Format("2006-01-02T15:04:05.000")
}
