package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// A moment is a step that was performed, with the frames it left in the capture: those of the actor's
// TCP conversations on the step's ports between start and end. Frame numbers begin at 1.
type moment struct {
	step, actor, techniques, what string
	ports                         []uint16
	start, end                    time.Time
	first, last, frames           int
}

// take counts frame number n if it belongs to the moment.
func (m *moment) take(n int, at time.Time, ip *layers.IPv4, tcp *layers.TCP) {
	if at.Before(m.start) || at.After(m.end) || ip.SrcIP.String() != m.actor && ip.DstIP.String() != m.actor {
		return
	}
	if !slices.Contains(m.ports, uint16(tcp.SrcPort)) && !slices.Contains(m.ports, uint16(tcp.DstPort)) {
		return
	}
	if m.frames++; m.first == 0 {
		m.first = n
	}
	m.last = n
}

// A summary is what the tables beside a capture say about it.
type summary struct {
	packets     int
	bytes       int64 // on the wire
	first, last time.Time
	largest     int            // bytes of the largest frame
	sources     map[string]int // frames a MAC sent
	timeline    []moment
}

// maxFrame is an Ethernet frame of 1500 bytes payload. A larger one shows an offload left on.
const maxFrame = 1514

// examine reads a capture, compressed if its name ends in .gz.
func examine(path string, timeline []moment) (*summary, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			return nil, fmt.Errorf("lab: %s: %w", path, err)
		}
	}
	packets, err := pcapgo.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("lab: %s: %w", path, err)
	}
	s := &summary{sources: map[string]int{}, timeline: slices.Clone(timeline)}
	for {
		frame, info, err := packets.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, fmt.Errorf("lab: %s: frame %d: %w", path, s.packets+1, err)
		}
		s.add(frame, info)
	}
}

func (s *summary) add(frame []byte, info gopacket.CaptureInfo) {
	s.packets++
	s.bytes += int64(info.Length)
	s.largest = max(s.largest, info.Length)
	if s.first.IsZero() {
		s.first = info.Timestamp.UTC()
	}
	s.last = info.Timestamp.UTC()
	if len(frame) >= 12 {
		s.sources[net.HardwareAddr(frame[6:12]).String()]++
	}
	packet := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	ip, _ := packet.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	tcp, _ := packet.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if ip == nil || tcp == nil {
		return
	}
	for i := range s.timeline {
		s.timeline[i].take(s.packets, info.Timestamp, ip, tcp)
	}
}

// check refuses a recording in which a host or a step is missing or a frame is larger than Ethernet's.
func (s *summary) check() error {
	var errs []error
	for _, h := range plant {
		if s.sources[h.mac] == 0 {
			errs = append(errs, fmt.Errorf("lab: %s (%s) sent nothing", h.name, h.mac))
		}
	}
	for _, m := range s.timeline {
		if m.frames == 0 {
			errs = append(errs, fmt.Errorf("lab: step %s left no frame", m.step))
		}
	}
	if s.largest > maxFrame {
		errs = append(errs, fmt.Errorf("lab: a frame of %d bytes: an offload is on", s.largest))
	}
	return errors.Join(errs...)
}

const clock = "2006-01-02T15:04:05.000000Z"

func (s *summary) tsv() string {
	return fmt.Sprintf("packets\tbytes\tfirst\tlast\tlargest_frame\tsources\n%d\t%d\t%s\t%s\t%d\t%d\n",
		s.packets, s.bytes, s.first.Format(clock), s.last.Format(clock), s.largest, len(s.sources))
}

func timelineTSV(timeline []moment) string {
	var b strings.Builder
	b.WriteString("step\tactor\tports\tstart\tend\tfirst_frame\tlast_frame\tframes\ttechniques\twhat\n")
	for _, m := range timeline {
		ports := strings.Trim(strings.ReplaceAll(fmt.Sprint(m.ports), " ", ","), "[]")
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", m.step, m.actor, ports,
			m.start.UTC().Format(clock), m.end.UTC().Format(clock), m.first, m.last, m.frames, m.techniques, m.what)
	}
	return b.String()
}
