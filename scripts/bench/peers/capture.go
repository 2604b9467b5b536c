package main

import (
	"bufio"
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/spanwatch/spanwatch/capture/packet"
)

// A workload is one benchmark capture: conversations of these folders of the corpus, repeated.
type workload struct {
	name    string
	folders []string
	ports   []uint16 // of the servers; empty: any
	packets int
	bulk    float64 // share of packets that are bulk transfer
}

const (
	lanes = 32  // conversations that run beside each other
	sites = 100 // sets of hosts among which the repetitions are dealt out
)

var workloads = []workload{
	{name: "modbus", folders: []string{"modbus"}, ports: []uint16{502}, packets: 2_000_000},
	{name: "s7", folders: []string{"s7comm"}, ports: []uint16{102}, packets: 2_000_000},
	{name: "opcua", folders: []string{"opcua"}, ports: []uint16{4840, 48010, 49320, 62541, 12001}, packets: 2_000_000},
	{name: "mix", folders: []string{"modbus", "s7comm", "s7commplus", "opcua", "umas", "enip", "dnp3", "iec104", "mms", "mixed", "it"}, packets: 2_000_000},
	{name: "bulk", folders: []string{"modbus", "s7comm", "opcua"}, ports: []uint16{502, 102, 4840}, packets: 1_000_000, bulk: 0.95},
}

// build writes the capture of a workload: every repetition is a conversation of its own, between addresses and ports of
// its own, with right checksums; times only rise.
func (w workload) build(corpus, path string) error {
	var base []conversation
	for _, folder := range w.folders {
		files, err := filepath.Glob(filepath.Join(corpus, folder, "*.pcap*"))
		if err != nil {
			return err
		}
		for _, file := range files {
			more, err := readConversations(file, w.ports...)
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s is left out: %v\n", filepath.Base(file), err)
				continue
			}
			base = append(base, more...)
		}
	}
	if len(base) == 0 {
		return errors.New("no complete conversation in " + corpus)
	}
	base = longest(base, 60)
	out, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	defer out.Close()
	to := bufio.NewWriterSize(out, 1<<20)
	if err := w.write(pcapgo.NewWriter(to), base); err != nil {
		return err
	}
	if err := errors.Join(to.Flush(), out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), path)
}

func (w workload) write(out *pcapgo.Writer, base []conversation) error {
	if err := out.WriteFileHeader(262144, layers.LinkTypeEthernet); err != nil {
		return err
	}
	begun := 0
	deal := func(at time.Duration) *play {
		begun++
		return newPlay(&base[begun%len(base)], begun%len(base), begun, at)
	}
	plays := make(stage, 0, lanes)
	for lane := range lanes {
		plays = append(plays, deal(time.Duration(lane)*time.Millisecond))
	}
	heap.Init(&plays)
	large := transfer()
	moving := newPlay(&large, len(base), 0, 0)
	start := time.Date(2026, 1, 5, 6, 0, 0, 0, time.UTC)
	buffer := gopacket.NewSerializeBuffer()
	for written, bulk := 0, 0; written < w.packets; written++ {
		p, at := plays[0], plays[0].now()
		if float64(bulk) < w.bulk*float64(written) {
			p, bulk = moving, bulk+1 // it has no clock of its own: there is always more to move
		}
		frame, err := p.frame(buffer)
		if err != nil {
			return err
		}
		info := gopacket.CaptureInfo{Timestamp: start.Add(at), CaptureLength: len(frame), Length: len(frame)}
		if err := out.WritePacket(info, frame); err != nil {
			return err
		}
		p.next++
		switch ended := p.next == len(p.c.segments); {
		case p == moving && ended:
			begun++
			moving = newPlay(&large, len(base), begun, 0)
		case p != moving && ended:
			plays[0] = deal(at + time.Millisecond)
		}
		heap.Fix(&plays, 0)
	}
	return nil
}

// A play is one repetition of a conversation.
type play struct {
	c              *conversation
	next           int
	at             time.Duration
	client, server host
	port           uint16 // the client's
}

type host struct {
	ip  net.IP
	mac net.HardwareAddr
}

func newPlay(c *conversation, n, repetition int, at time.Duration) *play {
	site := byte(repetition % sites)
	return &play{
		c: c, at: at,
		client: host{net.IP{10, 2, site, byte(10 + n)}, net.HardwareAddr{0x00, 0x80, 0xf4, 2, site, byte(10 + n)}},
		server: host{net.IP{10, 1, site, byte(10 + n)}, net.HardwareAddr{0x00, 0x0e, 0x8c, 1, site, byte(10 + n)}},
		port:   uint16(1024 + repetition/sites%60000),
	}
}

func (p *play) now() time.Duration { return p.at + p.c.segments[p.next].at }

// frame gives the next frame; it borrows the buffer.
func (p *play) frame(buffer gopacket.SerializeBuffer) ([]byte, error) {
	s := &p.c.segments[p.next]
	src, dst, from, to := p.client, p.server, p.port, p.c.port
	if !s.fromClient {
		src, dst, from, to = dst, src, to, from
	}
	ip := &layers.IPv4{Version: 4, TTL: 64, Id: uint16(p.next), Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolTCP, SrcIP: src.ip, DstIP: dst.ip}
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(from), DstPort: layers.TCPPort(to), Seq: s.seq, Ack: s.ack, Window: s.window,
		FIN: s.flags.Has(packet.FIN), SYN: s.flags.Has(packet.SYN), RST: s.flags.Has(packet.RST), PSH: s.flags.Has(packet.PSH), ACK: s.flags.Has(packet.ACK),
	}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: src.mac, DstMAC: dst.mac, EthernetType: layers.EthernetTypeIPv4}, ip, tcp, gopacket.Payload(s.payload))
	return buffer.Bytes(), err
}

// transfer is a bulk transfer over an encrypted connection: what a backup or a camera looks like.
func transfer() conversation {
	random := rand.NewChaCha8([32]byte{'b', 'u', 'l', 'k'})
	c := conversation{port: 443}
	add := func(fromClient bool, flags packet.TCPFlags, seq, ack uint32, payload []byte) {
		c.segments = append(c.segments, segment{
			fromClient: fromClient, flags: flags, seq: seq, ack: ack, window: 64000, payload: payload,
		})
	}
	add(true, packet.SYN, 100, 0, nil)
	add(false, packet.SYN|packet.ACK, 900, 101, nil)
	add(true, packet.ACK, 101, 901, nil)
	seq := uint32(901)
	for n := range 1000 {
		payload := make([]byte, 1400)
		random.Read(payload)
		copy(payload, []byte{0x17, 3, 3, 0x05, 0x73}) // a record of application data that fills the segment
		add(false, packet.ACK|packet.PSH, seq, 101, payload)
		seq += uint32(len(payload))
		if n%16 == 15 {
			add(true, packet.ACK, 101, seq, nil)
		}
	}
	add(false, packet.FIN|packet.ACK, seq, 101, nil)
	add(true, packet.FIN|packet.ACK, 101, seq+1, nil)
	add(false, packet.ACK, seq+1, 102, nil)
	return c
}

// stage holds the plays that run, the one whose turn is next first.
type stage []*play

func (s stage) Len() int           { return len(s) }
func (s stage) Less(i, j int) bool { return s[i].now() < s[j].now() }
func (s stage) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *stage) Push(p any)        { *s = append(*s, p.(*play)) }
func (s *stage) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}
