// S7relay stands before the snap7 server of a lab's controller and answers what that server refuses:
// block download (functions 0x1A to 0x1C), the program invocation that ends it, and block upload
// (0x1D to 0x1F). Everything else passes, but for the identity given with -identity, because the
// library gives all its servers the same serial number.
//
// It owns its connections and one block store, which a mutex guards. One goroutine reads each side of
// a connection. A frame longer than TPKT allows cannot occur; a frame that is no S7 passes.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
)

func main() {
	listen := flag.String("listen", "", "address and port that clients connect to")
	server := flag.String("server", "127.0.0.1:102", "the snap7 server")
	identity := flag.String("identity", "", "OLD=NEW[,OLD=NEW], texts of equal length to replace in answers")
	flag.Parse()
	slog.Error("s7relay", "err", run(*listen, *server, *identity))
	os.Exit(1)
}

// run relays until it cannot.
func run(listen, server, identity string) error {
	texts, err := parseIdentity(identity)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	blocks := newStore()
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			if err := serve(client, server, texts, blocks); err != nil {
				slog.Info("connection ended", "client", client.RemoteAddr(), "err", err)
			}
		}()
	}
}

func parseIdentity(s string) (map[string]string, error) {
	texts := map[string]string{}
	for _, pair := range strings.Split(s, ",") {
		from, to, ok := strings.Cut(pair, "=")
		if s == "" {
			break
		}
		if !ok || len(from) != len(to) {
			return nil, fmt.Errorf("identity %q is not OLD=NEW of equal length", pair)
		}
		texts[from] = to
	}
	return texts, nil
}

// serve relays one client until either side closes.
func serve(client net.Conn, address string, texts map[string]string, blocks *store) error {
	defer client.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer server.Close()
	c := &conversation{client: client, blocks: blocks}
	go func() {
		defer client.Close()
		in := bufio.NewReader(server)
		for {
			frame, err := readFrame(in)
			if err != nil {
				return
			}
			for from, to := range texts {
				frame = bytes.ReplaceAll(frame, []byte(from), []byte(to))
			}
			if c.send(frame) != nil {
				return
			}
		}
	}()
	in := bufio.NewReader(client)
	for {
		frame, err := readFrame(in)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		answered, err := c.answer(frame)
		if err != nil {
			return err
		}
		if answered {
			continue
		}
		if _, err := server.Write(frame); err != nil {
			return err
		}
	}
}

// readFrame returns one whole TPKT packet with its header (RFC 1006 §6).
func readFrame(in *bufio.Reader) ([]byte, error) {
	head, err := in.Peek(4)
	if err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(head[2:]))
	if head[0] != 3 || size < 4 {
		return nil, fmt.Errorf("not TPKT: % x", head)
	}
	frame := make([]byte, size)
	_, err = io.ReadFull(in, frame)
	return frame, err
}

// conversation is what one client is in the middle of. The two goroutines of a connection share only
// its write side.
type conversation struct {
	blocks *store

	mu     sync.Mutex
	client net.Conn

	reference uint16 // of the jobs that the relay, as the PLC, sends in a download
	download  string // file name of the block on its way in, "" for none
	received  []byte
	upload    []byte // what is left of the block on its way out
}

func (c *conversation) send(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.client.Write(frame)
	return err
}
