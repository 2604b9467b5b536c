package main

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAddresses(t *testing.T) {
	got, err := addresses("10.0.0.254-10.0.1.1")
	want := []netip.Addr{netip.MustParseAddr("10.0.0.254"), netip.MustParseAddr("10.0.0.255"), netip.MustParseAddr("10.0.1.0"), netip.MustParseAddr("10.0.1.1")}
	if err != nil || !cmp.Equal(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })) {
		t.Errorf("got %v %v", got, err)
	}
	for name, bad := range map[string]string{
		"one address":       "10.0.0.1",
		"a name":            "a-b",
		"the whole network": "0.0.0.0-255.255.255.255",
	} {
		if got, err := addresses(bad); err == nil {
			t.Errorf("%s: got %d addresses", name, len(got))
		}
	}
}

func TestLastAddressOfAllEndsTheRange(t *testing.T) {
	got, err := addresses("255.255.255.254-255.255.255.255")
	if err != nil || len(got) != 2 {
		t.Errorf("got %v %v", got, err)
	}
}
