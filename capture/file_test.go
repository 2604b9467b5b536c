package capture

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// unhex turns annotated hexadecimal into bytes: what stands behind a # is a comment.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var clean strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		clean.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(clean.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// record is what a test compares of a frame.
type record struct {
	nanos int64
	data  string
	wire  int
	link  LinkType
}

func readAll(t testing.TB, s Source) (records []record, err error) {
	t.Helper()
	var f Frame
	for {
		if err := s.Next(&f); err != nil {
			return records, err
		}
		if f.Number != uint64(len(records)+1) {
			t.Fatalf("frame %d has number %d", len(records)+1, f.Number)
		}
		records = append(records, record{f.Time.UnixNano(), string(f.Data), f.WireLength, f.Link})
	}
}

const second = int64(time.Second)

// pcapCases are whole files with the records they hold; the fuzz corpus grows from them too.
var pcapCases = []struct {
	name, hex string
	want      []record
	damage    string // part of the damage reported at the end
}{
	{"microseconds, little-endian", `
		d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000
		02000000 03000000 04000000 2a000000 deadbeef   # 2 s 3 µs, 4 bytes of 42
		02000000 ff000000 00000000 00000000            # an empty record
	`, []record{{2*second + 3000, "\xde\xad\xbe\xef", 42, 1}, {2*second + 255000, "", 0, 1}}, ""},
	{"nanoseconds, big-endian, frame check sequence of 4", `
		a1b23c4d 0002 0004 00000000 00000000 00000060 24000071
		00000002 00000003 00000001 00000001 aa
	`, []record{{2*second + 3, "\xaa", 1, 113}}, ""},
	{"nanoseconds, little-endian, snap length 0", `
		4d3cb2a1 0200 0400 00000000 00000000 00000000 14010000
		02000000 03000000 01000000 01000000 aa
	`, []record{{2*second + 3, "\xaa", 1, 276}}, ""},
	{"patched libpcap with long record headers", `
		34cdb2a1 0200 0400 00000000 00000000 ffff0000 01000000
		02000000 03000000 02000000 02000000 01000000 0008 00 00 aabb
	`, []record{{2*second + 3000, "\xaa\xbb", 2, 1}}, ""},
	{"version 2.2 had the lengths the other way round", `
		a1b2c3d4 0002 0002 00000000 00000000 00000060 00000001
		00000002 00000003 0000002a 00000002 aabb
	`, []record{{2*second + 3000, "\xaa\xbb", 42, 1}}, ""},
	{"version 2.3 had them in either order", `
		a1b2c3d4 0002 0003 00000000 00000000 00000060 00000001
		00000002 00000003 0000002a 00000002 aabb
		00000002 00000003 00000002 0000002a ccdd
	`, []record{{2*second + 3000, "\xaa\xbb", 42, 1}, {2*second + 3000, "\xcc\xdd", 42, 1}}, ""},
	{"no length on the wire", `
		d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000
		02000000 03000000 02000000 00000000 aabb
	`, []record{{2*second + 3000, "\xaa\xbb", 2, 1}}, ""},
	{"a record of 2^31 bytes is refused, not allocated", `
		d4c3b2a1 0200 0400 00000000 00000000 ffffffff 01000000
		02000000 03000000 01000000 01000000 aa
		02000000 03000000 00000080 00000080 aa
	`, []record{{2*second + 3000, "\xaa", 1, 1}}, "claims 2147483648 bytes"},
	{"cut inside a record header", `
		d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000
		02000000 03000000 01000000 01000000 aa
		02000000 0300
	`, []record{{2*second + 3000, "\xaa", 1, 1}}, "ends 10 bytes early"},
	{"cut inside a record", `
		d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000
		02000000 03000000 04000000 04000000 aabb
	`, nil, "ends 2 bytes early"},
}

const (
	// Section header and Ethernet interface, little-endian, that many cases begin with.
	ngHead = `
		0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000
		01000000 14000000 0100 0000 00000400 14000000
	`
	ngPacket = "06000000 24000000 00000000 00000000 40420f00 01000000 01000000 aa000000 24000000\n" // 1 s
)

var pcapngCases = []struct {
	name, hex string
	want      []record
	damage    string
}{
	{"enhanced packet block with options", ngHead + `
		06000000 2c000000 00000000 00000000 41420f00 01000000 3c000000 aa000000
		0100 0100 78000000 2c000000                                               # opt_comment
	`, []record{{second + 1000, "\xaa", 60, 1}}, ""},
	{"big-endian, if_tsresol 10^-9, if_tsoffset 10 s", `
		0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c
		00000001 00000030 0071 0000 00000000
		0002 0003 65746800  0009 0001 09000000  000e 0008 000000000000000a  00000030  # no opt_endofopt
		00000006 00000024 00000000 00000000 3b9aca07 00000002 00000002 aabb0000 00000024
	`, []record{{11*second + 7, "\xaa\xbb", 2, 113}}, ""},
	{"if_tsresol 2^-10", `
		0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000
		01000000 20000000 0100 0000 00000000  0900 0100 8a000000  0000 0000 20000000
		06000000 24000000 00000000 00000000 00060000 01000000 01000000 aa000000 24000000
	`, []record{{second + second/2, "\xaa", 1, 1}}, ""},
	{"resolution finer than any clock: no time", `
		0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000
		01000000 1c000000 0100 0000 00000000  0900 0100 7f000000  1c000000
		06000000 24000000 00000000 ffffffff ffffffff 01000000 01000000 aa000000 24000000
	`, []record{{0, "\xaa", 1, 1}}, ""},
	{"whole seconds and a far offset stay in writable years", `
		0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000
		01000000 28000000 0100 0000 00000000  0900 0100 00000000  0e00 0800 ffffffffffffff7f 28000000
		06000000 24000000 00000000 ffffffff ffffffff 01000000 01000000 aa000000 24000000
	`, []record{{time.Unix(maxSeconds, 0).UnixNano(), "\xaa", 1, 1}}, ""},
	{"simple packet block, cut to the interface's snap length, at the time before it", `
		0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000
		01000000 14000000 0100 0000 02000000 14000000
		` + ngPacket + `
		03000000 14000000 03000000 aabb0000 14000000
	`, []record{{second, "\xaa", 1, 1}, {second, "\xaa\xbb", 3, 1}}, ""},
	{"obsolete packet block", ngHead + `
		02000000 24000000 0000 ffff 00000000 40420f00 01000000 01000000 aa000000 24000000
	`, []record{{second, "\xaa", 1, 1}}, ""},
	{"two interfaces of different links", ngHead + `
		01000000 14000000 6500 0000 00000400 14000000
		06000000 24000000 01000000 00000000 40420f00 01000000 01000000 aa000000 24000000
	` + ngPacket, []record{{second, "\xaa", 1, 101}, {second, "\xaa", 1, 1}}, ""},
	{"a second section forgets the interfaces of the first", ngHead + ngPacket + `
		0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c
		00000001 00000014 0000 0000 00000000 00000014
		00000006 00000024 00000000 00000000 000f4240 00000001 00000001 bb000000 00000024
	`, []record{{second, "\xaa", 1, 1}, {second, "\xbb", 1, 0}}, ""},
	{"unknown blocks, name resolution and statistics are passed over", ngHead + `
		04000000 10000000 00000000 10000000
		ad0b0040 14000000 00010203 04050607 14000000
	` + ngPacket + `05000000 18000000 00000000 00000000 00000000 18000000
	`, []record{{second, "\xaa", 1, 1}}, ""},
	{"a writer that leaves the padding out of the block length", ngHead + `
		06000000 21000000 00000000 00000000 40420f00 01000000 01000000 aa000000 21000000
	` + ngPacket, []record{{second, "\xaa", 1, 1}, {second, "\xaa", 1, 1}}, ""},
	{"packet of an interface that is not described", ngHead + ngPacket + `
		06000000 24000000 07000000 00000000 40420f00 01000000 01000000 aa000000 24000000
	`, []record{{second, "\xaa", 1, 1}}, "interface 7, but 1 are described"},
	{"simple packet without any interface", `
		0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000
		03000000 14000000 03000000 aabb0000 14000000
	`, nil, "no interface is described"},
	{"packet longer than its block", ngHead + `
		06000000 24000000 00000000 00000000 40420f00 05000000 05000000 aa000000 24000000
	`, nil, "packet of 5 bytes in a block of 36"},
	{"packet of 2^31 bytes in a block as long", ngHead + `
		06000000 30000080 00000000 00000000 40420f00 00000080 00000080 aa000000
	`, nil, "claims 2147483648 bytes"},
	{"block shorter than its own frame", ngHead + "06000000 08000000 00000000 00000000", nil, "claims 8 bytes"},
	{"lengths before and behind differ", ngHead + strings.Replace(ngPacket, "24000000\n", "28000000\n", 1) + ngPacket,
		[]record{{second, "\xaa", 1, 1}}, "a block of 36 bytes says 40 at its end"},
	{"an unknown block of 4 GiB ends the file", ngHead + ngPacket + "ad0b0040 fcffffff 00000000",
		[]record{{second, "\xaa", 1, 1}}, "early"},
	{"an interface option longer than its block", `
		0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000
		01000000 1c000000 0100 0000 00000000  0200 ffff 65746800  1c000000
	`, nil, "interface option 2 claims 65535 bytes"},
	{"cut inside a block", ngHead + ngPacket + ngPacket[:60], []record{{second, "\xaa", 1, 1}}, "early"},
	{"a second section with a broken byte-order magic", ngHead + ngPacket + `
		0a0d0d0a 1c000000 00000000 0100 0000 ffffffffffffffff 1c000000
	`, []record{{second, "\xaa", 1, 1}}, "byte-order magic is 00 00 00 00"},
}

func TestFormats(t *testing.T) {
	for _, c := range slices.Concat(pcapCases, pcapngCases) {
		t.Run(c.name, func(t *testing.T) {
			f, err := NewReader(bytes.NewReader(unhex(t, c.hex)), "plant.pcap", 3)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(t, f)
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
			var damage *DamagedError
			switch {
			case c.damage == "" && err != io.EOF:
				t.Errorf("ended with %v, want io.EOF", err)
			case c.damage != "" && !errors.As(err, &damage):
				t.Errorf("ended with %v, want damage", err)
			case c.damage != "":
				if !strings.Contains(err.Error(), c.damage) || damage.Packets != uint64(len(c.want)) || damage.Name != "plant.pcap" {
					t.Errorf("damage %q after %d packets of %q, want %q", err, damage.Packets, damage.Name, c.damage)
				}
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("the error has several lines: %q", err)
				}
			}
			var fr Frame
			if err := f.Next(&fr); err != io.EOF {
				t.Errorf("after the end: %v, want io.EOF", err)
			}
		})
	}
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstandard(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll(b, nil)
}

// TestCompressed reads files whose content is compressed, whatever they are called, and damaged ones up to the damage.
func TestCompressed(t *testing.T) {
	plain := unhex(t, pcapCases[0].hex)
	long := slices.Clone(plain[:24])
	for i := range 40_000 {
		long = binary.LittleEndian.AppendUint32(long, uint32(i))
		long = append(long, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0)
		long = binary.BigEndian.AppendUint64(long, uint64(i)*0x9e3779b97f4a7c15)
	}
	half := func(b []byte) []byte { return b[:len(b)/2] }
	cases := []struct {
		name    string
		content []byte
		count   int // -1: some, with damage
	}{
		{"plain.gz", plain, 2},
		{"capture.pcap", gzipped(t, plain), 2},
		{"capture.gz", zstandard(t, plain), 2},
		{"skippable frame first", append([]byte("\x50\x2a\x4d\x18\x01\x00\x00\x00x"), zstandard(t, plain)...), 2},
		{"two gzip members", append(gzipped(t, plain[:30]), gzipped(t, plain[30:])...), 2},
		{"gzip cut", half(gzipped(t, long)), -1},
		{"zstd cut", half(zstandard(t, long)), -1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.name)
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := Open(path, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := readAll(t, f)
			if c.count >= 0 {
				if err != io.EOF || len(got) != c.count {
					t.Errorf("%d frames and %v, want %d", len(got), err, c.count)
				}
				return
			}
			var damage *DamagedError
			if !errors.As(err, &damage) || damage.Packets != uint64(len(got)) || len(got) == 0 || len(got) >= 40_000 {
				t.Errorf("%d frames and %v, want some frames and damage", len(got), err)
			}
		})
	}
}

// TestOpenErrors: whatever is not a capture is refused in one line that says what it is and what to do.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	cases := []struct{ name, content, want string }{
		{"empty.pcap", "", "the file is empty"},
		{"notes.txt", "Hello operator, this is text", `not a capture file: begins with "Hello operator, "; give a pcap`},
		{"umlaut.txt", "Änderungen der Öfen", `not a capture file: begins with "Änderungen der`},
		{"short", "abc", `begins with "abc" and ends there`},
		{"binary", "\x7fELF\x00\x01", "begins with 7f 45 4c 46 00 01;"},
		{"cut.pcap", "\xd4\xc3\xb2\xa1\x02\x00", "the pcap header is cut off"},
		{"version.pcap", "\xd4\xc3\xb2\xa1\x09\x00\x01\x00" + strings.Repeat("\x00", 16), "pcap version 9.1 is not known"},
		{"cut.pcapng", "\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", "pcapng section header: it is cut off"},
		{"order.pcapng", "\x0a\x0d\x0d\x0a" + strings.Repeat("\x00", 24), "byte-order magic is 00 00 00 00"},
		{"x.xz", "\xfd7zXZ\x00\x00\x04", "an xz file: unpack it with xz -d"},
		{"x.zip", "PK\x03\x04xxxxxxxx", "a zip archive: unpack it"},
		{"empty.gz", string(gzipped(t, nil)), "the compressed file is empty inside"},
		{"text.gz", string(gzipped(t, []byte("just text here"))), `begins with "just text here"`},
		{"broken.gz", "\x1f\x8bnot gzip at all", "gzip header"},
		{"window.zst", "\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00", "more than 64 MiB of memory; compress it again"}, // 128 MiB
		{"broken.zst", "\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "cannot read"},
	}
	for _, c := range cases {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		expectError(t, path, c.want)
	}
	expectError(t, dir, "is a directory; name the capture files in it")
	expectError(t, filepath.Join(dir, "absent.pcap"), "no such file")
	if os.Geteuid() != 0 {
		path := filepath.Join(dir, "secret.pcap")
		if err := os.WriteFile(path, nil, 0); err != nil {
			t.Fatal(err)
		}
		expectError(t, path, "no permission to read it")
	}
	if err := openError("p.pcap", &os.PathError{Op: "open", Path: "p.pcap", Err: os.ErrPermission}); !strings.Contains(err.Error(), "p.pcap: no permission to read it") ||
		!errors.Is(err, os.ErrPermission) {
		t.Errorf("permission: %v", err)
	}
}

func expectError(t *testing.T, path, want string) {
	t.Helper()
	f, err := Open(path, 0)
	if err == nil {
		f.Close()
		t.Errorf("%s opened, want an error with %q", path, want)
		return
	}
	text := err.Error()
	if !strings.Contains(text, want) || !strings.HasPrefix(text, "capture: "+path+": ") || strings.Contains(text, "\n") {
		t.Errorf("%s: %q, want one line with %q", path, text, want)
	}
}

// TestStandardInput reads from a pipe what "-" stands for.
func TestStandardInput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = was }()
	if _, err := w.Write(gzipped(t, unhex(t, pcapCases[0].hex))); err != nil {
		t.Fatal(err)
	}
	w.Close()
	f, err := Open("-", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, f); err != io.EOF || len(got) != 2 {
		t.Errorf("%d frames and %v", len(got), err)
	}
}

// dribble gives one byte a time, as a slow pipe may.
type dribble struct{ b []byte }

func (d *dribble) Read(p []byte) (int, error) {
	if len(d.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:1], d.b)
	d.b = d.b[n:]
	return n, nil
}

func TestDribble(t *testing.T) {
	f, err := NewReader(&dribble{unhex(t, pcapngCases[0].hex)}, "pipe", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, f); err != io.EOF || !slices.Equal(got, pcapngCases[0].want) {
		t.Errorf("got %v and %v", got, err)
	}
}

// TestInterfaceFlood: a section cannot describe interfaces without end.
func TestInterfaceFlood(t *testing.T) {
	head := unhex(t, ngHead)
	b := append(slices.Clone(head), bytes.Repeat(head[28:], maxInterfaces)...)
	f, err := NewReader(bytes.NewReader(b), "flood", 0)
	if err != nil {
		t.Fatal(err)
	}
	var damage *DamagedError
	if _, err := readAll(t, f); !errors.As(err, &damage) || !strings.Contains(err.Error(), "more than 4096 interfaces") {
		t.Errorf("ended with %v, want damage", err)
	}
}

// TestLargestFrame reads a frame of MaxFrame bytes, larger than the small read buffer, and refuses one byte more.
func TestLargestFrame(t *testing.T) {
	for _, extra := range []int{0, 1} {
		b := unhex(t, pcapCases[0].hex)[:24]
		b = append(b, make([]byte, 8)...)
		b = binary.LittleEndian.AppendUint32(b, uint32(MaxFrame+extra))
		b = binary.LittleEndian.AppendUint32(b, uint32(MaxFrame+extra))
		b = append(b, bytes.Repeat([]byte{7}, MaxFrame+extra)...)
		path := filepath.Join(t.TempDir(), "large.pcap")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(t, f)
		f.Close()
		if want := 1 - extra; len(got) != want || (err == io.EOF) != (extra == 0) {
			t.Errorf("%d bytes: %d frames and %v", MaxFrame+extra, len(got), err)
		}
	}
}
