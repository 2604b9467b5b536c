package protocoltest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// Case is one recorded conversation.
type Case struct {
	Name      string
	Dir       string // its folder; empty when it was parsed from a string
	Readme    string // what it shows and where its bytes come from
	Transport protocols.Transport
	Uncut     bool // its events depend on segment boundaries
	Blocks    []Block
}

// Block is one message of a conversation.
type Block struct {
	From          protocols.Side
	Bytes         []byte
	Hot, Odd, Gap bool
	line          int // where the block begins, for messages
}

// Load reads every case below dir, in the order of their names. Folders without case.txt are passed over.
func Load(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "case.txt"))
	if err != nil {
		return nil, fmt.Errorf("protocoltest: %w", err)
	}
	slices.Sort(files)
	cases := make([]Case, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("protocoltest: %w", err)
		}
		folder := filepath.Dir(file)
		c, err := Parse(filepath.Base(folder), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s:%w", file, err)
		}
		c.Dir = folder
		cases = append(cases, c)
	}
	return cases, nil
}

// Parse reads one case in the format of the package documentation. An error begins with the line number.
func Parse(name, text string) (Case, error) {
	c := Case{Name: name, Transport: protocols.TransportTCP}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if err := c.parseLine(strings.TrimSpace(line), i+1); err != nil {
			return Case{}, fmt.Errorf("%d: %w", i+1, err)
		}
	}
	if c.Readme == "" {
		return Case{}, errors.New("1: no comment at the top says where the bytes come from")
	}
	for _, b := range c.Blocks {
		if len(b.Bytes) == 0 {
			return Case{}, fmt.Errorf("%d: block without bytes", b.line)
		}
	}
	if len(c.Blocks) == 0 {
		return Case{}, errors.New("1: no block")
	}
	return c, nil
}

func (c *Case) parseLine(line string, number int) error {
	switch {
	case line == "":
		return nil
	case line[0] == '#':
		if len(c.Blocks) == 0 {
			c.Readme += strings.TrimSpace(line[1:]) + "\n"
		}
		return nil
	case line[0] == '>' || line[0] == '<':
		return c.startBlock(line, number)
	case len(c.Blocks) == 0:
		return c.parseOption(line)
	default:
		b := &c.Blocks[len(c.Blocks)-1]
		var err error
		b.Bytes, err = appendBytes(b.Bytes, line)
		return err
	}
}

func (c *Case) parseOption(line string) error {
	switch words := strings.Fields(line); {
	case slices.Equal(words, []string{"transport", "udp"}):
		c.Transport = protocols.TransportUDP
	case slices.Equal(words, []string{"transport", "ethernet"}):
		c.Transport = protocols.TransportEthernet
	case slices.Equal(words, []string{"uncut"}):
		c.Uncut = true
	default:
		return fmt.Errorf("unknown option %q before the first block", line)
	}
	return nil
}

func (c *Case) startBlock(line string, number int) error {
	head, _, _ := strings.Cut(line, "#")
	words := strings.Fields(head)
	b := Block{line: number}
	switch {
	case len(words) >= 2 && words[0] == ">" && words[1] == "client":
		b.From = protocols.Client
	case len(words) >= 2 && words[0] == "<" && words[1] == "server":
		b.From = protocols.Server
	default:
		return fmt.Errorf("a block begins with \"> client\" or \"< server\", not %q", line)
	}
	for _, word := range words[2:] {
		switch word {
		case "hot":
			b.Hot = true
		case "odd":
			b.Odd = true
		case "gap":
			b.Gap = true
		default:
			return fmt.Errorf("unknown mark %q: know hot, odd, gap", word)
		}
	}
	c.Blocks = append(c.Blocks, b)
	return nil
}

// appendBytes reads hexadecimal words, quoted ASCII and repetitions up to a comment.
func appendBytes(dst []byte, line string) ([]byte, error) {
	for line = strings.TrimSpace(line); line != "" && line[0] != '#'; line = strings.TrimSpace(line) {
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, fmt.Errorf("text without closing quote: %q", line)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, fmt.Errorf("text %s: %w", quoted, err)
			}
			dst, line = append(dst, text...), line[len(quoted):]
			continue
		}
		end := strings.IndexAny(line, " \t#\"")
		if end < 0 {
			end = len(line)
		}
		word, times, repeated := strings.Cut(line[:end], "*")
		line = line[end:]
		b, err := hex.DecodeString(word)
		if err != nil {
			return nil, fmt.Errorf("bytes %q: %w", word, err)
		}
		n := 1
		if repeated {
			if n, err = strconv.Atoi(times); err != nil || n < 0 || n > 1<<20 {
				return nil, fmt.Errorf("repetition %q", times)
			}
		}
		for range n {
			dst = append(dst, b...)
		}
	}
	return dst, nil
}
