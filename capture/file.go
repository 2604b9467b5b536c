package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// readSize is how much is read at once. It exceeds MaxFrame with every header, so that a frame is always whole in
	// the buffer and need not be copied.
	readSize = 1 << 20
	// smallRead is the buffer of a file that is small on disk: hundreds of captures may be open together.
	smallRead = 64 << 10
	// maxWindow bounds the memory of the zstd decoder: the format lets a file ask for terabytes.
	maxWindow = 64 << 20
)

// File is a capture file being read.
type File struct {
	r       *bufio.Reader
	format  format
	closers []func() error
	name    string
	source  uint16
	number  uint64 // frames delivered
	offset  int64  // bytes consumed of the uncompressed file
	end     error  // what every further Next returns
}

// format reads the records of one file format.
type format interface {
	// next fills all of fr but Source and Number. It returns io.EOF at the end between two records; any other error is
	// damage.
	next(f *File, fr *Frame) error
}

// Open opens a capture file, pcap or pcapng, plain or compressed by gzip or zstd whatever it is called; "-" is standard
// input. The source number is put into every frame. An error says in one line what is wrong and what to do.
func Open(path string, source uint16) (*File, error) { return OpenWatched(path, source, nil) }

// OpenWatched opens like [Open], and calls watch with the number of bytes of every read of the file as it is on disk, in
// the goroutine that reads. A nil watch is none; standard input is not watched.
func OpenWatched(path string, source uint16, watch func(n int)) (*File, error) {
	if path == "-" {
		return NewReader(os.Stdin, "standard input", source)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	st, err := file.Stat()
	if err == nil && st.IsDir() {
		err = errors.New("is a directory; name the capture files in it")
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("capture: %s: %w", path, err)
	}
	size := readSize
	if st.Mode().IsRegular() && st.Size() < readSize {
		size = smallRead
	}
	var r io.Reader = file
	if watch != nil {
		r = &watched{file, watch}
	}
	f, err := newFile(r, path, source, size)
	if err != nil {
		file.Close()
		return nil, err
	}
	f.closers = append(f.closers, file.Close)
	return f, nil
}

// watched tells how much is read.
type watched struct {
	r     io.Reader
	watch func(n int)
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.watch(n)
	return n, err
}

// openError puts what to do behind the usual reasons.
func openError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("capture: %s: no such file (%w)", path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("capture: %s: no permission to read it; change its owner or mode (%w)", path, err)
	}
	return fmt.Errorf("capture: %s: cannot open: %w", path, err)
}

// NewReader reads a capture from r, which it does not close; name stands for the file in errors.
func NewReader(r io.Reader, name string, source uint16) (*File, error) {
	return newFile(r, name, source, readSize)
}

func newFile(r io.Reader, name string, source uint16, size int) (*File, error) {
	f := &File{r: bufio.NewReaderSize(r, size), name: name, source: source}
	err := f.decompress(size)
	if err == nil {
		err = f.begin()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("capture: %s: %w", name, err)
	}
	return f, nil
}

// archives are the formats that only look like captures to their owner, by their first bytes.
var archives = []struct{ magic, what string }{
	{"\xfd7zXZ\x00", "an xz file: unpack it with xz -d"},
	{"BZh", "a bzip2 file: unpack it with bzip2 -d"},
	{"\x04\x22\x4d\x18", "an lz4 file: unpack it with lz4 -d"},
	{"PK\x03\x04", "a zip archive: unpack it with unzip"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"},
	{"snoop\x00", "a snoop capture: convert it with editcap -F pcap"},
	{"btsnoop\x00", "a Bluetooth capture: it holds no network frames"},
	{"GMBU", "a Network Monitor capture: convert it with editcap -F pcap"},
	{"RTSS", "a Network Monitor capture: convert it with editcap -F pcap"},
}

// decompress puts a decompressor in front of f.r if the content asks for one.
func (f *File) decompress(size int) error {
	head, err := f.r.Peek(4)
	if len(head) == 0 {
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("cannot read: %w", err)
		}
		return errors.New("the file is empty; was the capture stopped before anything was written?")
	}
	switch {
	case len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		z, err := gzip.NewReader(f.r)
		if err != nil {
			return fmt.Errorf("gzip header: %w", err)
		}
		// Its Close repeats the error of the last read, which Next has given.
		f.closers = append(f.closers, func() error { z.Close(); return nil })
		f.r = bufio.NewReaderSize(z, size)
	case len(head) == 4 && isZstd(binary.LittleEndian.Uint32(head)):
		z, err := zstd.NewReader(f.r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return fmt.Errorf("zstd header: %w", err)
		}
		f.closers = append(f.closers, func() error { z.Close(); return nil })
		f.r = bufio.NewReaderSize(z, size)
	}
	return nil
}

// isZstd tells by the first word, little-endian, whether a zstd frame or a skippable frame begins (RFC 8878 §3.1).
func isZstd(word uint32) bool { return word == 0xfd2fb528 || word&^0xf == 0x184d2a50 }

// begin recognises the format by its first bytes and reads its header.
func (f *File) begin() error {
	head, err := f.r.Peek(4)
	if len(head) < 4 {
		if errors.Is(err, zstd.ErrWindowSizeExceeded) {
			return fmt.Errorf("zstd asks for more than %d MiB of memory; compress it again without --long or --ultra: %w", maxWindow>>20, err)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("cannot read: %w", err)
		}
		if len(head) == 0 {
			return errors.New("the compressed file is empty inside")
		}
		return fmt.Errorf("not a capture file: begins with %s and ends there", show(head))
	}
	magic := binary.LittleEndian.Uint32(head)
	if v, ok := pcapVariants[magic]; ok {
		f.format, err = newPcap(f, v)
		return err
	}
	if magic == blockSection {
		f.format, err = newPcapng(f)
		return err
	}
	head, _ = f.r.Peek(16)
	for _, a := range archives {
		if bytes.HasPrefix(head, []byte(a.magic)) {
			return fmt.Errorf("not a capture file but %s", a.what)
		}
	}
	return fmt.Errorf("not a capture file: begins with %s; give a pcap or pcapng file, plain, .gz or .zst", show(head))
}

// show gives the first bytes of a file: as quoted text if they are text, else in hexadecimal.
func show(b []byte) string {
	for _, c := range b {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
			return fmt.Sprintf("% x", b)
		}
	}
	// Text that is cut in the middle of a letter is still text.
	for n := len(b); n > 0 && n > len(b)-utf8.UTFMax; n-- {
		if utf8.Valid(b[:n]) {
			return strconv.Quote(string(b[:n]))
		}
	}
	return fmt.Sprintf("% x", b)
}

// Next implements [Source].
func (f *File) Next(fr *Frame) error {
	if f.end != nil {
		return f.end
	}
	err := f.format.next(f, fr)
	if err == nil {
		f.number++
		fr.Source, fr.Number = f.source, f.number
		return nil
	}
	f.end = io.EOF
	if err != io.EOF { //nolint:errorlint // the formats return io.EOF itself, and a wrapped one is damage
		err = &DamagedError{Name: f.name, Packets: f.number, Offset: f.offset, Err: err}
	}
	*fr = Frame{}
	return err
}

// Name gives the file's name as it was opened.
func (f *File) Name() string { return f.name }

// Close implements [Source].
func (f *File) Close() error {
	var err error
	for _, c := range f.closers {
		err = errors.Join(err, c())
	}
	f.closers, f.end = nil, io.EOF
	return err
}

// peek gives the next n bytes without consuming them. They are valid until the next peek or discard past the buffer.
// The error is io.EOF only if nothing at all is left.
func (f *File) peek(n int) ([]byte, error) {
	b, err := f.r.Peek(n)
	if err == nil {
		return b, nil
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		f.r = bufio.NewReaderSize(f.r, readSize)
		b, err = f.r.Peek(n)
		if err == nil {
			return b, nil
		}
	}
	switch {
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("cannot read on: %w", err)
	case len(b) == 0:
		return nil, io.EOF
	}
	return nil, fmt.Errorf("the file ends %d bytes early: %w", n-len(b), io.ErrUnexpectedEOF)
}

// discard passes over n bytes.
func (f *File) discard(n int64) error {
	for n > 0 {
		step := int(min(n, 1<<30))
		done, err := f.r.Discard(step)
		f.offset += int64(done)
		n -= int64(done)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return fmt.Errorf("the file ends %d bytes early: %w", n, io.ErrUnexpectedEOF)
			}
			return fmt.Errorf("cannot read on: %w", err)
		}
	}
	return nil
}

// errEarly turns the end of the file into damage, for a place where it must not end.
func errEarly(err error, where string) error {
	if err == io.EOF { //nolint:errorlint // peek returns io.EOF itself
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s: %w", where, err)
}
