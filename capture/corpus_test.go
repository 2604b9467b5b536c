package capture_test

import (
	"bufio"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
	"github.com/spanwatch/spanwatch/capture/stream"
)

// corpus lists the real captures beside the repository: path and number of packets, as another tool counted them.
func corpus(t *testing.T) (root string, files map[string]uint64) {
	t.Helper()
	root = filepath.Join("..", "..", "shared", "pcaps")
	file, err := os.Open(filepath.Join(root, "manifest.tsv"))
	if err != nil {
		t.Skipf("no real captures at %s", root)
	}
	defer file.Close()
	files = make(map[string]uint64)
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		if n, err := strconv.ParseUint(f[4], 10, 64); err == nil {
			files[f[1]] = n
		}
	}
	if len(files) == 0 {
		t.Fatalf("%s lists no captures", root)
	}
	return root, files
}

// damaged are the real captures that break off, with the frames before the damage. All others must end well.
var damaged = map[string]uint64{
	// The last record claims two gigabytes.
	"bacnet/the-tcpdump-group.otv-heapoverflow-1.093975.pcap.gz": 10,
	"bacnet/the-tcpdump-group.otv-heapoverflow-2.5aa566.pcap.gz": 10,
}

// TestCorpus reads every real capture to its end: the count is that of the manifest, every frame decodes without panic,
// the frames of two hosts hash alike, and what conversations were told adds up.
func TestCorpus(t *testing.T) {
	root, files := corpus(t)
	frames := 0
	for path, want := range files {
		src, err := capture.Open(filepath.Join(root, path), 0)
		if err != nil {
			t.Error(err)
			continue
		}
		read := newReading(t, path)
		var fr capture.Frame
		n := uint64(0)
		for err = src.Next(&fr); err == nil; err = src.Next(&fr) {
			if n++; fr.Number != n {
				t.Fatalf("%s: frame %d has number %d", path, n, fr.Number)
			}
			read.frame(&fr)
		}
		read.finish()
		frames += int(n)
		good, isDamaged := damaged[path]
		var broken *capture.DamagedError
		switch {
		case isDamaged:
			if !errors.As(err, &broken) || broken.Packets != good || n != good {
				t.Errorf("%s: %v after %d packets, want damage after %d", path, err, n, good)
			}
		case err != io.EOF:
			t.Errorf("%s: %v", path, err)
		case n != want:
			t.Errorf("%s: %d packets, want %d", path, n, want)
		}
		if err := src.Close(); err != nil {
			t.Errorf("%s: close: %v", path, err)
		}
	}
	t.Logf("%d frames in %d captures", frames, len(files))
}

// reading is what one worker would do with a capture.
type reading struct {
	t      *testing.T
	path   string
	packet packet.Packet
	defrag *packet.Defragmenter
	table  *stream.Table
	hashes map[[2]netip.Addr]uint32

	open    map[*stream.Conversation]bool
	packets uint64
	counted uint64
}

func newReading(t *testing.T, path string) *reading {
	r := &reading{
		t: t, path: path, defrag: packet.NewDefragmenter(packet.DefragConfig{}),
		hashes: make(map[[2]netip.Addr]uint32), open: make(map[*stream.Conversation]bool),
	}
	r.table = stream.New(stream.Config{}, r)
	return r
}

func (r *reading) frame(fr *capture.Frame) {
	p, link := &r.packet, uint16(fr.Link)
	err := p.Decode(link, fr.Data)
	if !packet.Supports(link) {
		if want := packet.LinkError(link); err != error(want) {
			r.t.Errorf("%s: frame %d of link type %d: %v, want %v", r.path, fr.Number, link, err, want)
		}
		return
	}
	if err != nil && !errors.Is(err, packet.ErrMalformed) {
		r.t.Errorf("%s: frame %d: %v", r.path, fr.Number, err)
	}
	if p.Src.IsValid() && !p.ICMP.Quoted {
		pair := [2]netip.Addr{p.Src, p.Dst}
		if p.Dst.Less(p.Src) {
			pair = [2]netip.Addr{p.Dst, p.Src}
		}
		h := packet.Hash(link, fr.Data)
		if was, ok := r.hashes[pair]; ok && was != h {
			r.t.Errorf("%s: frame %d between %v hashes to %#x, others to %#x", r.path, fr.Number, pair, h, was)
		}
		r.hashes[pair] = h
	}
	if whole, _ := r.defrag.Whole(p, fr.Time); whole {
		r.packets++
		r.table.Packet(p, fr.Number, fr.Time, fr.WireLength)
	}
}

func (r *reading) finish() {
	r.table.Close()
	if len(r.open) > 0 {
		r.t.Errorf("%s: %d conversations were never closed", r.path, len(r.open))
	}
	s := r.table.Stats()
	if r.counted+s.Ignored != r.packets {
		r.t.Errorf("%s: %d packets in conversations and %d ignored, of %d", r.path, r.counted, s.Ignored, r.packets)
	}
	if s.Buffered != 0 || s.Tails != 0 || s.Conversations != 0 {
		r.t.Errorf("%s: after the end the table still holds %+v", r.path, s)
	}
}

func (r *reading) Open(c *stream.Conversation) { r.open[c] = true }

func (r *reading) Close(c *stream.Conversation, _ stream.Reason) {
	if !r.open[c] {
		r.t.Errorf("%s: conversation of frame %d closed, but it is not open", r.path, c.FirstFrame)
	}
	delete(r.open, c)
	r.counted += c.Packets[0] + c.Packets[1]
}

func (r *reading) Data(c *stream.Conversation, _ stream.Direction, b []byte, frame uint64, _ time.Time) {
	if !r.open[c] || len(b) == 0 || frame < c.FirstFrame {
		r.t.Errorf("%s: %d bytes of frame %d for a conversation of frame %d", r.path, len(b), frame, c.FirstFrame)
	}
}

func (r *reading) Cut(c *stream.Conversation, _ stream.Direction, _ []byte, n int, frame uint64, _ time.Time) {
	if !r.open[c] || n <= 0 || frame < c.FirstFrame {
		r.t.Errorf("%s: %d bytes cut from frame %d for a conversation of frame %d", r.path, n, frame, c.FirstFrame)
	}
}

func (r *reading) Gap(c *stream.Conversation, _ stream.Direction, n int) {
	if !r.open[c] || n == 0 {
		r.t.Errorf("%s: gap of %d in the conversation of frame %d", r.path, n, c.FirstFrame)
	}
}

func (r *reading) Overlap(*stream.Conversation, stream.Direction, uint64, time.Time) {}
