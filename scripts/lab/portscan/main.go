// Portscan opens TCP connections to the given ports of a range of addresses and closes them, as the
// simplest scan does (nmap -sT).
//
// It owns its few workers, and refuses ranges of more than 256 addresses: it exists for the lab's
// own namespaces.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const maxAddresses = 256

func main() {
	ports := flag.String("ports", "502,102,4840", "TCP ports")
	timeout := flag.Duration("timeout", 400*time.Millisecond, "wait for one connection")
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: portscan [-ports 502,102] FIRST-LAST...") }
	flag.Parse()
	var hosts []netip.Addr
	for _, arg := range flag.Args() {
		more, err := addresses(arg)
		if err != nil {
			fmt.Fprintln(os.Stderr, "portscan:", err)
			os.Exit(2)
		}
		hosts = append(hosts, more...)
	}
	if len(hosts) == 0 || len(hosts) > maxAddresses {
		flag.Usage()
		os.Exit(2)
	}
	scan(hosts, strings.Split(*ports, ","), *timeout)
}

// addresses expands FIRST-LAST, at most maxAddresses of them.
func addresses(arg string) ([]netip.Addr, error) {
	a, b, ok := strings.Cut(arg, "-")
	if !ok {
		return nil, fmt.Errorf("range %q is not FIRST-LAST", arg)
	}
	first, err := netip.ParseAddr(a)
	if err != nil {
		return nil, err
	}
	last, err := netip.ParseAddr(b)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for at := first; at.IsValid() && at.Compare(last) <= 0; at = at.Next() {
		if out = append(out, at); len(out) > maxAddresses {
			return nil, fmt.Errorf("range %q has more than %d addresses", arg, maxAddresses)
		}
	}
	return out, nil
}

func scan(hosts []netip.Addr, ports []string, timeout time.Duration) {
	var g errgroup.Group
	g.SetLimit(8)
	for _, host := range hosts {
		for _, port := range ports {
			g.Go(func() error {
				conn, err := net.DialTimeout("tcp", net.JoinHostPort(host.String(), port), timeout)
				if err != nil {
					return nil // closed or absent: that is what a scan is to find out
				}
				fmt.Println(host, port, "open")
				return conn.Close()
			})
		}
	}
	g.Wait()
}
