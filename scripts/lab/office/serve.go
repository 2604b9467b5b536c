package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sync/errgroup"
)

const (
	domain    = "plant.example"
	sshBanner = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
)

// serve runs all services until ctx ends or one fails.
func serve(ctx context.Context, hosts map[string]net.IP) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return answerDatagrams(ctx, ":53", dnsAnswer(hosts)) })
	g.Go(func() error { return answerDatagrams(ctx, ":67", dhcpAnswer) })
	g.Go(func() error { return serveShell(ctx) })
	g.Go(func() error { return serveWeb(ctx) })
	return g.Wait()
}

// answerDatagrams sends back what answer makes of each datagram; nil means no answer.
func answerDatagrams(ctx context.Context, address string, answer func([]byte) []byte) error {
	conn, err := net.ListenPacket("udp4", address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		if out := answer(buf[:n]); out != nil {
			if _, err := conn.WriteTo(out, from); err != nil {
				return err
			}
		}
	}
}

func dnsAnswer(hosts map[string]net.IP) func([]byte) []byte {
	return func(query []byte) []byte {
		var m layers.DNS
		if m.DecodeFromBytes(query, gopacket.NilDecodeFeedback) != nil || m.QR || len(m.Questions) != 1 {
			return nil
		}
		m.QR, m.RA, m.AA = true, true, true
		question := m.Questions[0]
		host, _, _ := strings.Cut(string(question.Name), ".")
		ip := hosts[host]
		if ip == nil || question.Type != layers.DNSTypeA {
			m.ResponseCode = layers.DNSResponseCodeNXDomain
		} else {
			m.Answers = []layers.DNSResourceRecord{{
				Name: question.Name, Type: layers.DNSTypeA, Class: layers.DNSClassIN, TTL: 300, IP: ip}}
		}
		return encode(&m)
	}
}

// dhcpAnswer acknowledges the renewal of a lease (RFC 2131 §4.3.2).
func dhcpAnswer(request []byte) []byte {
	var m layers.DHCPv4
	if m.DecodeFromBytes(request, gopacket.NilDecodeFeedback) != nil || m.Operation != layers.DHCPOpRequest {
		return nil
	}
	m.Operation = layers.DHCPOpReply
	m.YourClientIP = m.ClientIP
	m.Options = layers.DHCPOptions{
		layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{byte(layers.DHCPMsgTypeAck)}),
		layers.NewDHCPOption(layers.DHCPOptLeaseTime, []byte{0, 0, 0x1C, 0x20}),
		layers.NewDHCPOption(layers.DHCPOptDomainName, []byte(domain)),
		layers.NewDHCPOption(layers.DHCPOptEnd, nil),
	}
	return encode(&m)
}

func encode(m gopacket.SerializableLayer) []byte {
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, m); err != nil {
		return nil
	}
	return buf.Bytes()
}

func serveShell(ctx context.Context) error {
	l, err := net.Listen("tcp4", ":22")
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			fmt.Fprint(conn, sshBanner)
			conn.Read(make([]byte, 256)) // the client's banner; the lab goes no further
		}()
	}
}

func serveWeb(ctx context.Context) error {
	srv := &http.Server{Addr: ":80", ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(page)}
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	return srv.ListenAndServe()
}

func page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "nginx/1.22.1")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><title>Shift log</title><h1>Shift log</h1><p>Nothing to report at %s.</p>\n%s",
		r.URL.Path, strings.Repeat("<p>Pumps 1 and 2 on duty, 3 stand-by. Filters rinsed as planned.</p>\n", 8))
}
