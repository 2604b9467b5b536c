package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
)

// ROSCTR, the kind of an S7 message.
const (
	job     = 1
	ackData = 3
)

// A message is the part of an S7 frame that the relay looks at.
type message struct {
	kind      byte
	reference uint16
	fault     uint16 // error class and code of an answer, 0 for none
	parameter []byte
	data      []byte
}

const frameHead = 4 + 3 // TPKT, COTP data

// parse refuses, by ok false, everything that is not one whole S7 job or answer.
func parse(frame []byte) (m message, ok bool) {
	if len(frame) < frameHead+10 || frame[5] != 0xF0 || frame[frameHead] != 0x32 {
		return m, false
	}
	b := frame[frameHead:]
	m.kind = b[1]
	m.reference = binary.BigEndian.Uint16(b[4:])
	parameter, data := int(binary.BigEndian.Uint16(b[6:])), int(binary.BigEndian.Uint16(b[8:]))
	head := 10
	if m.kind == ackData && len(b) >= 12 {
		head = 12
		m.fault = binary.BigEndian.Uint16(b[10:])
	}
	if len(b) != head+parameter+data || parameter == 0 {
		return m, false
	}
	m.parameter, m.data = b[head:head+parameter], b[head+parameter:]
	return m, m.kind == job || m.kind == ackData
}

// frame is the inverse of parse.
func (m message) frame() []byte {
	b := []byte{0x32, m.kind, 0, 0}
	b = binary.BigEndian.AppendUint16(b, m.reference)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.parameter)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.data)))
	if m.kind == ackData {
		b = binary.BigEndian.AppendUint16(b, m.fault)
	}
	b = append(append(b, m.parameter...), m.data...)
	head := []byte{3, 0, 0, 0, 2, 0xF0, 0x80}
	binary.BigEndian.PutUint16(head[2:], uint16(len(head)+len(b)))
	return append(head, b...)
}

// Functions of block transfer and the message kind in which a client sends them.
var transfers = map[[2]byte]func(c *conversation, m message) error{
	{job, 0x1A}:     (*conversation).requestDownload,
	{ackData, 0x1B}: (*conversation).downloadBlock,
	{ackData, 0x1C}: (*conversation).downloadEnded,
	{job, 0x1D}:     (*conversation).startUpload,
	{job, 0x1E}:     (*conversation).uploadPart,
	{job, 0x1F}:     (*conversation).endUpload,
}

// answer deals with a client's frame if it belongs to a block transfer.
func (c *conversation) answer(frame []byte) (bool, error) {
	m, ok := parse(frame)
	if !ok {
		return false, nil
	}
	if isInsertion(m) {
		return true, c.acknowledge(m, []byte{0x28}, nil)
	}
	transfer := transfers[[2]byte{m.kind, m.parameter[0]}]
	if transfer == nil {
		return false, nil
	}
	return true, transfer(c, m)
}

// isInsertion says whether m is the program invocation _INSE, which puts a downloaded block in place.
func isInsertion(m message) bool {
	return m.kind == job && m.parameter[0] == 0x28 && bytes.HasSuffix(m.parameter, []byte("_INSE"))
}

func (c *conversation) acknowledge(m message, parameter, data []byte) error {
	return c.send(message{kind: ackData, reference: m.reference, parameter: parameter, data: data}.frame())
}

// ask sends a job of the PLC's own. Parameters as the client's: function, state, six bytes, file name.
func (c *conversation) ask(function byte) error {
	c.reference++
	p := append([]byte{function, 0, 0, 0, 0, 0, 0, 0, byte(len(c.download))}, c.download...)
	return c.send(message{kind: job, reference: c.reference, parameter: p}.frame())
}

// fileName reads the name of the block, such as _0800001P, from the parameters of a transfer.
func fileName(p []byte) string {
	if len(p) < 9 || len(p) < 9+int(p[8]) {
		return ""
	}
	return string(p[9 : 9+int(p[8])])
}

func (c *conversation) requestDownload(m message) error {
	c.download, c.received = fileName(m.parameter), nil
	if err := c.acknowledge(m, []byte{0x1A}, nil); err != nil {
		return err
	}
	return c.ask(0x1B)
}

// maxBlock is the size of the largest block an S7-300 takes.
const maxBlock = 64 << 10

// downloadBlock takes one part: data are its length, 00 FB, then the bytes.
func (c *conversation) downloadBlock(m message) error {
	if len(m.data) >= 4 {
		c.received = append(c.received, m.data[4:]...)
	}
	if len(c.received) > maxBlock {
		return fmt.Errorf("block %q has more than %d bytes", c.download, maxBlock)
	}
	if more := len(m.parameter) > 1 && m.parameter[1] != 0; more {
		return c.ask(0x1B)
	}
	c.blocks.put(c.download, c.received)
	return c.ask(0x1C)
}

func (c *conversation) downloadEnded(message) error {
	c.download, c.received = "", nil
	return nil
}

// Identifier of the one upload a connection can have.
const uploadID = 7

// blockNotFound is class 0xD2, code 0x09.
const blockNotFound = 0xD209

func (c *conversation) startUpload(m message) error {
	c.upload = c.blocks.get(fileName(m.parameter))
	if c.upload == nil {
		return c.send(message{kind: ackData, reference: m.reference, fault: blockNotFound, parameter: []byte{0x1D}}.frame())
	}
	p := []byte{0x1D, 0, 0, 0, 0, 0, 0, uploadID, 7}
	return c.acknowledge(m, append(p, decimal(len(c.upload), 7)...), nil)
}

// Bytes of a block in one part, so that the message fits the PDU of 240 bytes most clients ask for.
const partSize = 200

func (c *conversation) uploadPart(m message) error {
	part := c.upload[:min(partSize, len(c.upload))]
	c.upload = c.upload[len(part):]
	more := byte(0)
	if len(c.upload) > 0 {
		more = 1
	}
	data := binary.BigEndian.AppendUint16(nil, uint16(len(part)))
	return c.acknowledge(m, []byte{0x1E, more}, append(append(data, 0, 0xFB), part...))
}

func (c *conversation) endUpload(m message) error {
	c.upload = nil
	return c.acknowledge(m, []byte{0x1F}, nil)
}

func decimal(n, width int) string {
	digits := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return string(digits)
}

// store keeps the blocks of the controller, by the part of the file name that both directions share:
// type and number, without the file system's letter.
type store struct {
	mu     sync.Mutex
	blocks map[string][]byte
}

func newStore() *store {
	return &store{blocks: map[string][]byte{"_0800001": factoryOB1}}
}

func blockKey(name string) string { return strings.TrimRight(name, "ABP") }

// maxBlocks bounds what clients can put into the store.
const maxBlocks = 64

func (s *store) put(name string, block []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.blocks[blockKey(name)]; known || len(s.blocks) < maxBlocks {
		s.blocks[blockKey(name)] = block
	}
}

func (s *store) get(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocks[blockKey(name)]
}
