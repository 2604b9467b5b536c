package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

const webServer = "files-01"

// visit renews the lease, then looks a name up, reads a page and a banner, again and again.
func visit(ctx context.Context, args []string) error {
	host, address, server := args[0], args[2], args[3]
	hardware, err := net.ParseMAC(args[1])
	if err != nil {
		return err
	}
	period, err := seconds(args[4])
	if err != nil {
		return err
	}
	if err := renewLease(host, hardware, net.ParseIP(address), server); err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	return repeat(ctx, period, func(round int) error { return roundTrip(ctx, server, round) })
}

// resolve looks up names, as clients do whose configuration names their servers.
func resolve(ctx context.Context, server, every string, names []string) error {
	period, err := seconds(every)
	if err != nil {
		return err
	}
	return repeat(ctx, period, func(round int) error {
		for i, name := range names {
			if _, err := lookUp(server, name, uint16(round*len(names)+i)); err != nil {
				return fmt.Errorf("name: %w", err)
			}
		}
		return nil
	})
}

func seconds(s string) (time.Duration, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no number of seconds", s)
	}
	return time.Duration(n) * time.Second, nil
}

// repeat calls do at once and then every period until ctx ends or do fails.
func repeat(ctx context.Context, period time.Duration, do func(round int) error) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for round := 0; ; round++ {
		if err := do(round); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func roundTrip(ctx context.Context, server string, round int) error {
	ip, err := lookUp(server, webServer, uint16(0x1200+round))
	if err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if err := readPage(ctx, ip, fmt.Sprintf("/shift/%d", round)); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	if round%3 != 0 {
		return nil
	}
	if err := readBanner(ip); err != nil {
		return fmt.Errorf("banner: %w", err)
	}
	return nil
}

// renewLease asks the server directly, from the address it has, as a client does halfway through its
// lease (RFC 2131 §4.4.5).
func renewLease(host string, hardware net.HardwareAddr, ip net.IP, server string) error {
	request := layers.DHCPv4{
		Operation: layers.DHCPOpRequest, HardwareType: layers.LinkTypeEthernet, HardwareLen: 6,
		Xid: 0x5A000000 | uint32(ip[len(ip)-1]), ClientIP: ip, ClientHWAddr: hardware,
		Options: layers.DHCPOptions{
			layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{byte(layers.DHCPMsgTypeRequest)}),
			layers.NewDHCPOption(layers.DHCPOptHostname, []byte(host)),
			layers.NewDHCPOption(layers.DHCPOptClassID, []byte("MSFT 5.0")),
			layers.NewDHCPOption(layers.DHCPOptParamsRequest, []byte{1, 3, 6, 15}),
			layers.NewDHCPOption(layers.DHCPOptEnd, nil),
		},
	}
	_, err := exchange(server, 68, 67, encode(&request))
	return err
}

// lookUp returns the address that the server knows for name in the plant's domain.
func lookUp(server, name string, number uint16) (string, error) {
	query := layers.DNS{ID: number, RD: true, Questions: []layers.DNSQuestion{{
		Name: []byte(name + "." + domain), Type: layers.DNSTypeA, Class: layers.DNSClassIN}}}
	raw, err := exchange(server, 0, 53, encode(&query))
	if err != nil {
		return "", err
	}
	var answer layers.DNS
	if err := answer.DecodeFromBytes(raw, gopacket.NilDecodeFeedback); err != nil {
		return "", err
	}
	if len(answer.Answers) == 0 {
		return "", fmt.Errorf("%s is unknown: %s", name, answer.ResponseCode)
	}
	return answer.Answers[0].IP.String(), nil
}

// exchange sends one datagram and waits for its answer.
func exchange(server string, from, to int, datagram []byte) ([]byte, error) {
	conn, err := net.DialUDP("udp4", &net.UDPAddr{Port: from}, &net.UDPAddr{IP: net.ParseIP(server), Port: to})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := conn.Write(datagram); err != nil {
		return nil, err
	}
	buf := make([]byte, 1500)
	n, err := conn.Read(buf)
	return buf[:n], err
}

func readPage(ctx context.Context, address, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	request.Host = webServer + "." + domain
	request.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)")
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

func readBanner(address string) error {
	conn, err := net.DialTimeout("tcp4", net.JoinHostPort(address, "22"), 3*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "SSH-2.0-PuTTY_Release_0.81\r\n")
	return err
}
