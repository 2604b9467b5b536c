package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	nsPrefix = "swlab-"
	nsFolder = "/run/netns"
	netmask  = "/16"
)

// A network is the plant's switch with its mirror port. Each host, the switch and the sensor live in
// namespaces of their own, named for the process that made them, so that no frame leaves the lab and
// two labs do not meet.
type network struct {
	prefix string
	made   []string // namespaces, in the order of their making
}

// The sensor's end of the mirror, and the namespace it is in.
const (
	sensorLink = "mirror0"
	sensorNS   = "sensor"
	switchNS   = "switch"
)

// newNetwork makes the switch and the sensor's link. The caller closes the network also after an error.
func newNetwork(ctx context.Context) (*network, error) {
	n := &network{prefix: nsPrefix + strconv.Itoa(os.Getpid()) + "-"}
	if err := errors.Join(n.addNamespace(ctx, switchNS), n.addNamespace(ctx, sensorNS)); err != nil {
		return n, err
	}
	sw, sensor := n.ns(switchNS), n.ns(sensorNS)
	return n, runAll(ctx, [][]string{
		{"ip", "-n", sw, "link", "add", "bridge", "type", "bridge", "stp_state", "0", "mcast_snooping", "0"},
		{"ip", "-n", sw, "link", "set", "bridge", "up"},
		{"ip", "link", "add", "mirror", "netns", sw, "type", "veth", "peer", "name", sensorLink, "netns", sensor},
		offloadsOff(sw, "mirror"), offloadsOff(sensor, sensorLink),
		{"ip", "-n", sw, "link", "set", "mirror", "up"},
		{"ip", "-n", sensor, "link", "set", sensorLink, "up", "promisc", "on"},
	})
}

func (n *network) ns(name string) string { return n.prefix + name }

// addNamespace makes a namespace without IPv6, whose neighbour discovery would fill the capture.
func (n *network) addNamespace(ctx context.Context, name string) error {
	ns := n.ns(name)
	n.made = append(n.made, ns) // first, because the command may be interrupted after it has done its work
	if err := run(ctx, "ip", "netns", "add", ns); err != nil {
		return err
	}
	return runAll(ctx, [][]string{
		{"ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"},
		{"ip", "-n", ns, "link", "set", "lo", "up"},
	})
}

// attach connects a host to the switch and mirrors what it sends. Each frame enters the switch at one
// port, so the sensor sees it once.
func (n *network) attach(ctx context.Context, h host) error {
	if err := n.addNamespace(ctx, h.name); err != nil {
		return err
	}
	ns, sw := n.ns(h.name), n.ns(switchNS)
	return runAll(ctx, [][]string{
		{"ip", "link", "add", "eth0", "netns", ns, "address", h.mac, "type", "veth", "peer", "name", h.name, "netns", sw},
		offloadsOff(ns, "eth0"), offloadsOff(sw, h.name),
		{"ip", "-n", sw, "link", "set", h.name, "master", "bridge", "up"},
		{"tc", "-n", sw, "qdisc", "add", "dev", h.name, "clsact"},
		{"tc", "-n", sw, "filter", "add", "dev", h.name, "ingress", "protocol", "all", "prio", "1",
			"u32", "match", "u32", "0", "0", "action", "mirred", "egress", "mirror", "dev", "mirror"},
		{"ip", "-n", ns, "addr", "add", h.ip + netmask, "dev", "eth0"},
		{"ip", "-n", ns, "link", "set", "eth0", "up"},
	})
}

// offloadsOff makes the kernel finish its segments and checksums before they reach the mirror.
func offloadsOff(ns, link string) []string {
	return []string{"ip", "netns", "exec", ns, "ethtool", "-K", link, "rx", "off", "tx", "off", "tso", "off", "gso", "off", "gro", "off"}
}

// close removes the namespaces and with them every link. It does all it can and joins the errors.
func (n *network) close() error {
	var errs []error
	for _, ns := range n.made {
		if _, err := os.Stat(filepath.Join(nsFolder, ns)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		errs = append(errs, run(context.Background(), "ip", "netns", "del", ns))
	}
	n.made = nil
	return errors.Join(errs...)
}

// removeStale deletes the namespaces of labs whose process is gone, for instance after SIGKILL.
func removeStale(ctx context.Context) error {
	found, err := filepath.Glob(filepath.Join(nsFolder, nsPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range found {
		name := filepath.Base(path)
		owner, _, _ := strings.Cut(strings.TrimPrefix(name, nsPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if err := run(ctx, "ip", "netns", "del", name); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("lab: %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func runAll(ctx context.Context, commands [][]string) error {
	for _, c := range commands {
		if err := run(ctx, c...); err != nil {
			return err
		}
	}
	return nil
}
