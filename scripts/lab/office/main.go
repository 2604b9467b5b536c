// Office is the ordinary traffic of the lab: names, leases, web pages and remote shells, so that the
// capture has workstations and servers that are no part of the process.
//
// "serve" owns the listeners of one server, "visit" and "resolve" the round trips of one client; none keeps
// state between requests. All stop with the process.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `usage: office serve [NAME=ADDRESS]...        DNS for these names, DHCP acknowledgements, web pages, SSH banner
       office visit HOST HARDWARE ADDRESS SERVER SECONDS   lease of HOST, then a name, a page and a banner every SECONDS
       office resolve SERVER SECONDS NAME...               addresses of these names every SECONDS`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	args := os.Args[1:]
	var err error
	switch {
	case len(args) > 0 && args[0] == "serve":
		err = serve(ctx, names(args[1:]))
	case len(args) == 6 && args[0] == "visit":
		err = visit(ctx, args[1:])
	case len(args) > 3 && args[0] == "resolve":
		err = resolve(ctx, args[1], args[2], args[3:])
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "office:", err)
		os.Exit(1)
	}
}

func names(args []string) map[string]net.IP {
	out := map[string]net.IP{}
	for _, arg := range args {
		name, address, _ := strings.Cut(arg, "=")
		out[name] = net.ParseIP(address)
	}
	return out
}
