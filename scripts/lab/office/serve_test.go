package main

import (
	"net"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

func ask(t *testing.T, name string, kind layers.DNSType) layers.DNS {
	t.Helper()
	query := layers.DNS{ID: 7, RD: true, Questions: []layers.DNSQuestion{{Name: []byte(name), Type: kind, Class: layers.DNSClassIN}}}
	answer := dnsAnswer(map[string]net.IP{"files-01": net.IPv4(10, 20, 30, 5)})(encode(&query))
	var m layers.DNS
	if err := m.DecodeFromBytes(answer, gopacket.NilDecodeFeedback); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNames(t *testing.T) {
	m := ask(t, "files-01."+domain, layers.DNSTypeA)
	if m.ID != 7 || !m.QR || len(m.Answers) != 1 || m.Answers[0].IP.String() != "10.20.30.5" {
		t.Errorf("answer = %+v", m)
	}
	if m := ask(t, "nobody."+domain, layers.DNSTypeA); m.ResponseCode != layers.DNSResponseCodeNXDomain || len(m.Answers) != 0 {
		t.Errorf("unknown name: %+v", m)
	}
	if m := ask(t, "files-01."+domain, layers.DNSTypeTXT); m.ResponseCode != layers.DNSResponseCodeNXDomain {
		t.Errorf("other type: %+v", m)
	}
}

func TestLeaseIsAcknowledged(t *testing.T) {
	request := layers.DHCPv4{Operation: layers.DHCPOpRequest, HardwareType: layers.LinkTypeEthernet, HardwareLen: 6,
		Xid: 99, ClientIP: net.IPv4(10, 20, 30, 66), ClientHWAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}
	var m layers.DHCPv4
	if err := m.DecodeFromBytes(dhcpAnswer(encode(&request)), gopacket.NilDecodeFeedback); err != nil {
		t.Fatal(err)
	}
	if m.Operation != layers.DHCPOpReply || m.Xid != 99 || m.YourClientIP.String() != "10.20.30.66" || m.ClientHWAddr.String() != "02:00:00:00:00:01" {
		t.Errorf("answer = %+v", m)
	}
}

func TestNoiseHasNoAnswer(t *testing.T) {
	for _, in := range [][]byte{nil, {1}, make([]byte, 12), make([]byte, 300)} {
		if out := dnsAnswer(nil)(in); out != nil {
			t.Errorf("DNS answered % x to % x", out, in)
		}
		if out := dhcpAnswer(in); out != nil {
			t.Errorf("DHCP answered % x to % x", out, in)
		}
	}
}
