package main

import (
	"net"
	"testing"

	"github.com/goburrow/modbus"
	"github.com/google/go-cmp/cmp"
)

func TestParseRequests(t *testing.T) {
	got, err := parseRequests("3:0:20,1:8:16")
	want := []request{{3, 0, 20}, {1, 8, 16}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(request{})); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for _, bad := range []string{"", "3:0", "5:0:1", "3:0:70000", "x"} {
		if _, err := parseRequests(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestParseWrite(t *testing.T) {
	address, first, values, err := parseWrite("10.20.10.11=900:1,65535")
	if err != nil || address != "10.20.10.11" || first != 900 || !cmp.Equal(values, []uint16{1, 65535}) {
		t.Errorf("got %s %d %v %v", address, first, values, err)
	}
	for _, bad := range []string{"", "10.0.0.1", "10.0.0.1=1", "10.0.0.1=1:", "10.0.0.1=1:65536", "10.0.0.1=-1:1"} {
		if _, _, _, err := parseWrite(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestIdentificationAsksFunction43(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan []byte, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		ask := make([]byte, 11)
		n, _ := conn.Read(ask)
		asked <- ask[:n]
		// transaction of the request, protocol 0, 9 bytes, unit 1, 43/14 with one object "ab"
		conn.Write(append(ask[:2:2], 0, 0, 0, 12, 1, 43, 14, 1, 1, 0, 0, 1, 0, 2, 'a', 'b'))
	}()
	h := modbus.NewTCPClientHandler(l.Addr().String())
	h.SlaveId = 1
	if err := h.Connect(); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	got, err := identification(h, 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]byte{14, 1, 1, 0, 0, 1, 0, 2, 'a', 'b'}, got); diff != "" {
		t.Errorf("answer: %s", diff)
	}
	if ask := <-asked; !cmp.Equal(ask[6:], []byte{1, 43, 14, 1, 0}) {
		t.Errorf("asked % x", ask)
	}
}
