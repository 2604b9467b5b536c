package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/bits"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
)

// labs counts the namespaces of this process, so that each has a name of its own.
var labs atomic.Int32

// lab makes a network namespace with a mirror port: what is written to sw0 arrives at mon0, which is as the operator's
// guide says it should be. $NS names the namespace. Everything goes when the script ends.
func lab(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: lab")
	}
	name := fmt.Sprintf("spanwatch-%d-%d", os.Getpid(), labs.Add(1))
	ts.Check(ts.Exec("ip", "netns", "add", name))
	ts.Defer(func() { _ = ts.Exec("ip", "netns", "delete", name) })
	ts.Setenv("NS", name)
	for _, command := range [][]string{
		{"link", "add", "sw0", "type", "veth", "peer", "name", "mon0"},
		{"link", "set", "lo", "up"},
	} {
		ts.Check(ts.Exec("ip", append([]string{"-n", name}, command...)...))
	}
	ts.Check(ts.Exec("ip", "netns", "exec", name, "sh", "-c", `for i in sw0 mon0; do
		echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6
		ip link set dev $i arp off up
	done`))
}

// await runs a command again and again until its output matches, or half a minute is over.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await PATTERN COMMAND...")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	out := ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if out = ts.ReadFile("stdout"); err == nil && pattern.MatchString(out) {
			return
		}
	}
	ts.Fatalf("%q never matched; the last was:\n%s%s", args[0], out, ts.ReadFile("stderr"))
}

// manager stands in for the service manager: what it is told is written to the file "notified".
func manager(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: manager")
	}
	path := ts.MkAbs("notify.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	ts.Check(os.Chmod(path, 0o777))
	notified, err := os.Create(ts.MkAbs("notified"))
	ts.Check(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			fmt.Fprintf(notified, "%s\n", buffer[:n])
		}
	}()
	ts.Defer(func() {
		conn.Close()
		<-done
		notified.Close()
	})
	ts.Setenv("NOTIFY_SOCKET", path)
	ts.Setenv("WATCHDOG_USEC", "200000")
}

// get is a program that prints what an address answers, and fails unless that is well.
func get() {
	method := flag.String("method", http.MethodGet, "")
	flag.Parse()
	request, err := http.NewRequest(*method, flag.Arg(0), http.NoBody)
	if err == nil {
		var answer *http.Response
		if answer, err = http.DefaultClient.Do(request); err == nil {
			_, err = io.Copy(os.Stdout, answer.Body)
			if answer.StatusCode != http.StatusOK {
				err = errors.New(answer.Status)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "get:", err)
		os.Exit(1)
	}
}

// frames is a program that writes the frames of a capture to an interface, as a switch does to a mirror port.
func frames() {
	var o player
	loop := flag.Bool("loop", false, "begin again at the end, for two minutes")
	ready := flag.String("ready", "", "make this file after the first frames")
	flag.BoolVar(&o.clients, "clients", false, "only what clients send: the side of the higher port")
	flag.BoolVar(&o.broadcasts, "broadcasts", false, "only what everybody gets")
	flag.BoolVar(&o.twice, "twice", false, "each frame twice")
	flag.UintVar(&o.tag, "tag", 0, "put this VLAN tag on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	err := o.open(flag.Arg(0))
	for err == nil {
		err = o.play(ctx, flag.Arg(1), *ready)
		if !*loop || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "frames:", err)
		os.Exit(1)
	}
}

// player writes frames.
type player struct {
	clients, broadcasts, twice bool
	tag                        uint

	fd      int
	written int
}

func (o *player) open(name string) error {
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	// Protocol 0: the socket sends, and receives nothing.
	if o.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	return unix.Bind(o.fd, &unix.SockaddrLinklayer{Protocol: bits.ReverseBytes16(0), Ifindex: nic.Index})
}

// play writes the frames of one capture, a few every millisecond.
func (o *player) play(ctx context.Context, path, ready string) error {
	file, err := capture.Open(path, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	var f capture.Frame
	var p packet.Packet
	for ctx.Err() == nil {
		err := file.Next(&f)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if p.Decode(uint16(f.Link), f.Data) != nil || o.clients && p.SrcPort <= p.DstPort || o.broadcasts && f.Data[0]&1 == 0 {
			continue
		}
		if err := o.write(f.Data); err != nil {
			return err
		}
		if o.written++; o.written == 20 && ready != "" {
			if err := os.WriteFile(ready, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
				return err
			}
		}
		if o.written%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

func (o *player) write(data []byte) error {
	if o.tag != 0 {
		tagged := append([]byte{}, data[:12]...)
		tagged = binary.BigEndian.AppendUint16(append(tagged, 0x81, 0x00), uint16(o.tag))
		data = append(tagged, data[12:]...)
	}
	for range map[bool]int{false: 1, true: 2}[o.twice] {
		if _, err := unix.Write(o.fd, data); err != nil {
			return fmt.Errorf("frame of %d bytes: %w", len(data), err)
		}
	}
	return nil
}

// openFolder lets the sensor's part without privileges reach the script's folder.
func openFolder(dir string) error {
	return errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755))
}
