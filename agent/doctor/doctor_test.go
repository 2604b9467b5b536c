package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/bpf"
)

// want is what one finding must be: its result, and what its text (check, found and advice) holds.
type want struct {
	check  string
	result Result
	text   string
}

// compare holds findings to what is wanted of some of them; those that are not named must be OK.
func compare(t *testing.T, got []Finding, wanted ...want) {
	t.Helper()
	byCheck := make(map[string]Finding)
	for _, f := range got {
		if _, twice := byCheck[f.Check]; twice {
			t.Errorf("two findings of %q", f.Check)
		}
		byCheck[f.Check] = f
		if f.Found == "" || f.Result != OK && f.Advice == "" && !strings.Contains(f.Found, ":") {
			t.Errorf("%+v says too little", f)
		}
		if f.Result == OK && f.Advice != "" {
			t.Errorf("%+v advises though all is well", f)
		}
	}
	for _, w := range wanted {
		f, ok := byCheck[w.check]
		if !ok {
			t.Errorf("no finding of %q in %v", w.check, got)
			continue
		}
		if f.Result != w.result || !strings.Contains(f.Found+"; "+f.Advice, w.text) {
			t.Errorf("%+v, want %s with %q", f, w.result, w.text)
		}
		delete(byCheck, w.check)
	}
	for _, f := range byCheck {
		if f.Result != OK {
			t.Errorf("%+v, want it ok", f)
		}
	}
}

func TestKernel(t *testing.T) {
	good := kernel{release: "6.1.0-18-amd64", others: "2", landlock: 2, seccomp: true}
	for name, test := range map[string]struct {
		change func(*kernel)
		want   []want
	}{
		"as it should be":      {func(*kernel) {}, []want{{"kernel", OK, "6.1.0"}, {"kernel: confinement", OK, "Landlock version 2"}}},
		"before its time":      {func(k *kernel) { k.release = "5.4.0-generic" }, []want{{"kernel", Warning, "5.18 or newer"}}},
		"the first of its age": {func(k *kernel) { k.release = "5.18-rc1" }, []want{{"kernel", OK, "5.18"}}},
		"of its own numbering": {func(k *kernel) { k.release = "vendor" }, []want{{"kernel", Warning, "unknown age"}}},
		"no packet socket":     {func(k *kernel) { k.ring = unix.EPERM }, []want{{"kernel: packet rings", Failed, "NET_RAW"}}},
		"no ring":              {func(k *kernel) { k.ring = unix.EINVAL }, []want{{"kernel: packet rings", Failed, "CONFIG_PACKET"}}},
		"no programs":          {func(k *kernel) { k.programs = bpf.ErrUnsupported }, []want{{"kernel: BPF", Warning, "through the ring"}}},
		"forbidden":            {func(k *kernel) { k.programs = fmt.Errorf("no permission: %w", unix.EPERM) }, []want{{"kernel: BPF", Warning, "seccomp profile"}}},
		"open to everybody":    {func(k *kernel) { k.others = "0" }, []want{{"kernel: BPF of others", Warning, "unprivileged_bpf_disabled=1"}}},
		"no Landlock":          {func(k *kernel) { k.landlock = 0 }, []want{{"kernel: confinement", Warning, "no Landlock; "}}},
		"unconfined":           {func(k *kernel) { k.landlock, k.seccomp = 0, false }, []want{{"kernel: confinement", Warning, "no Landlock and no seccomp"}}},
	} {
		t.Run(name, func(t *testing.T) {
			k := good
			test.change(&k)
			compare(t, k.judge(), test.want...)
		})
	}
}

func capabilitySet(list ...uint) privileges {
	var p privileges
	for _, c := range list {
		p |= 1 << c
	}
	return p
}

var allHeld = capabilitySet(unix.CAP_NET_RAW, unix.CAP_NET_ADMIN, unix.CAP_BPF, unix.CAP_PERFMON)

func TestPrivileges(t *testing.T) {
	compare(t, allHeld.judge(), want{"privileges", OK, "NET_RAW"})
	compare(t, capabilitySet(unix.CAP_NET_RAW).judge(), want{"privileges", Warning, "without NET_ADMIN, BPF, PERFMON"})
	compare(t, privileges(0).judge(), want{"privileges", Failed, "AmbientCapabilities="})
}

func monitorPort() link {
	return link{name: "eth1", present: true, index: 2, mtu: 1500, up: true, carrier: true, queues: 4, driver: "ixgbe"}
}

func TestLink(t *testing.T) {
	address := netip.MustParsePrefix("10.0.0.5/24")
	for name, test := range map[string]struct {
		change func(*link)
		held   privileges
		want   []want
	}{
		"a monitor port":  {func(*link) {}, allHeld, []want{{"interface eth1: link", OK, "driver ixgbe, 4 receive queues"}, {"interface eth1: mode", OK, "xdp-native"}}},
		"not there":       {func(l *link) { l.present = false }, allHeld, []want{{"interface eth1: link", Failed, "ip link"}}},
		"not described":   {func(l *link) { l.failed = errors.New("netlink") }, allHeld, []want{{"interface eth1: link", Failed, "netlink"}}},
		"switched off":    {func(l *link) { l.up, l.carrier = false, false }, allHeld, []want{{"interface eth1: link", Failed, "ip link set dev eth1 up"}}},
		"without a cable": {func(l *link) { l.carrier = false }, allHeld, []want{{"interface eth1: link", Failed, "no carrier"}}},
		"of small MTU":    {func(l *link) { l.mtu = 1400 }, allHeld, []want{{"interface eth1: link", Warning, "mtu 1500"}}},
		"with an address": {
			func(l *link) { l.addresses, l.routes = []netip.Prefix{address}, 1 }, allHeld,
			[]want{{"interface eth1: address", Warning, "ip addr flush dev eth1"}, {"interface eth1: mode", OK, "filter"}},
		},
		"with a route only": {func(l *link) { l.routes = 1 }, allHeld, []want{{"interface eth1: address", Warning, "1 routes lead out of it"}, {"interface eth1: mode", OK, "filter"}}},
		"speaking IPv6":     {func(l *link) { l.ipv6 = true }, allHeld, []want{{"interface eth1: silence", Warning, "sysctl -w net.ipv6.conf.eth1.disable_ipv6=1"}}},
		"answering ARP":     {func(l *link) { l.arp = true }, allHeld, []want{{"interface eth1: silence", Warning, "ip link set dev eth1 arp off"}}},
		"a VLAN speaking IPv6": {
			func(l *link) { l.name, l.ipv6 = "eth1.7", true }, allHeld,
			[]want{{"interface eth1.7: silence", Warning, "sysctl -w net.ipv6.conf.eth1/7.disable_ipv6=1"}},
		},
		"merging":               {func(l *link) { l.merging = "GRO" }, allHeld, []want{{"interface eth1: offloads", OK, "the sensor switches that off"}}},
		"merging, unprivileged": {func(l *link) { l.merging = "GRO and LRO" }, privileges(0), []want{{"interface eth1: offloads", Warning, "ethtool -K eth1"}, {"interface eth1: mode", Warning, "plain"}}},
		"without NET_ADMIN":     {func(*link) {}, capabilitySet(unix.CAP_BPF, unix.CAP_PERFMON), []want{{"interface eth1: mode", Warning, "filter"}}},
		"carrying a VLAN":       {func(l *link) { l.occupied = "carries the interface eth1.7" }, allHeld, []want{{"interface eth1: mode", Warning, "filter: the interface carries the interface eth1.7"}}},
		"in a bridge":           {func(l *link) { l.master = "br0" }, allHeld, []want{{"interface eth1: use", Warning, "nomaster"}}},
		"loopback":              {func(l *link) { l.loopback, l.ipv6, l.arp, l.mtu = true, true, true, 65536 }, allHeld, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := monitorPort()
			test.change(&l)
			compare(t, l.judge(test.held), test.want...)
		})
	}
}

func TestNoInterface(t *testing.T) {
	used, free := monitorPort(), monitorPort()
	used.name, used.addresses = "eth0", []netip.Prefix{netip.MustParsePrefix("10.0.0.5/24")}
	compare(t, []Finding{noInterface([]*link{&used, &free})}, want{"interface", Warning, "eth0 (up, used by this machine), eth1 (up)"})
	compare(t, []Finding{noInterface(nil)}, want{"interface", Warning, "none but loopback"})
}

// The loopback interface is described as it is, whoever asks.
func TestReadLink(t *testing.T) {
	l := readLink("lo")
	if !l.present || !l.loopback || l.failed != nil || l.mtu == 0 {
		t.Errorf("%+v", l)
	}
	if l := readLink("no-such-link"); l.present {
		t.Errorf("%+v", l)
	}
}

// IFLA_XDP as kernels send it, and damaged.
func TestAttached(t *testing.T) {
	for name, test := range map[string]struct {
		bytes []byte
		want  bool
	}{
		"nothing attached":  {[]byte{5, 0, 2, 0, 0, 0, 0, 0}, false},
		"attached, generic": {[]byte{5, 0, 2, 0, 2, 0, 0, 0, 8, 0, 4, 0, 7, 0, 0, 0}, true},
		"another first":     {[]byte{8, 0, 4, 0, 7, 0, 0, 0, 5, 0, 2, 0, 1, 0, 0, 0}, true},
		"of no length":      {[]byte{0, 0, 2, 0, 1}, false},
		"cut off":           {[]byte{9, 0, 2, 0, 1}, false},
		"empty":             {nil, false},
	} {
		if got := attached(test.bytes); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestClock(t *testing.T) {
	at := time.Date(2027, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, test := range map[string]struct {
		clock clock
		want  want
	}{
		"synchronised":           {clock{now: at, synchronised: true, maxError: 5 * time.Millisecond}, want{"clock", OK, "wrong by 5ms at most"}},
		"free running":           {clock{now: at}, want{"clock", Warning, "NTP"}},
		"far off":                {clock{now: at, synchronised: true, maxError: 3 * time.Second}, want{"clock", Warning, "wrong by up to 3s"}},
		"not telling":            {clock{now: at, failed: unix.EPERM}, want{"clock", Warning, "does not tell"}},
		"after an empty battery": {clock{now: time.Unix(0, 0).UTC(), synchronised: true}, want{"clock", Failed, "1970"}},
		"in the far future":      {clock{now: at.AddDate(100, 0, 0)}, want{"clock", Failed, "2127"}},
	} {
		t.Run(name, func(t *testing.T) { compare(t, test.clock.judge(), test.want) })
	}
}

func TestDirectory(t *testing.T) {
	good := directory{path: "/var/lib/x", exists: true, owner: "spanwatch", free: 5 << 30, site: "Plant1"}
	running, losing := sensor.Health{Uptime: 60}, sensor.Health{}
	losing.Counters.Dropped.Ring = 7
	for name, test := range map[string]struct {
		change func(*directory)
		want   []want
	}{
		"as it should be": {func(*directory) {}, []want{{"state: directory", OK, "of spanwatch"}, {"state: records", OK, "Plant1"}}},
		"to be made":      {func(d *directory) { d.exists, d.site = false, "" }, []want{{"state: directory", OK, "can be made"}}},
		"not to be made":  {func(d *directory) { d.exists, d.site, d.closed = false, "", fs.ErrPermission }, []want{{"state: directory", Failed, "cannot be made"}}},
		"read only":       {func(d *directory) { d.closed = fs.ErrPermission }, []want{{"state: directory", Failed, "run as spanwatch"}}},
		"a file":          {func(d *directory) { d.file, d.site = true, "" }, []want{{"state: directory", Failed, "is a file"}}},
		"open to others":  {func(d *directory) { d.open = 0o055 }, []want{{"state: directory", Warning, "chmod 700 /var/lib/x"}}},
		"nearly full":     {func(d *directory) { d.free = 500 << 20 }, []want{{"state: space", Warning, "500 MiB"}}},
		"full":            {func(d *directory) { d.free = 1 << 20 }, []want{{"state: space", Failed, "make room"}}},
		"of a newer age":  {func(d *directory) { d.site, d.failed = "", errors.New("written by a newer") }, []want{{"state: records", Failed, "newer"}}},
		"in use":          {func(d *directory) { d.running = &running }, []want{{"sensor", OK, "runs since 1m0s"}}},
		"losing frames":   {func(d *directory) { d.running = &losing }, []want{{"sensor", Warning, "7 in rings"}}},
		"not answering":   {func(d *directory) { d.silent = errors.New("time-out") }, []want{{"sensor", Warning, "time-out"}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := good
			test.change(&d)
			compare(t, d.judge(), test.want...)
		})
	}
}

// Directories of this machine are read as they are.
func TestReadDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	compare(t, readDirectory(t.Context(), dir).judge(), want{"state: directory", OK, dir})
	compare(t, readDirectory(t.Context(), dir+"/a/b").judge(), want{"state: directory", OK, "can be made"})
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	compare(t, readDirectory(t.Context(), dir+"/file").judge(), want{"state: directory", Failed, "is a file"})
	compare(t, readDirectory(t.Context(), dir+"/file/below").judge(), want{"state: directory", Failed, "is a file"})
	if err := os.WriteFile(dir+"/state.db", []byte("this is no database, and long enough to tell"), 0o600); err != nil {
		t.Fatal(err)
	}
	compare(t, readDirectory(t.Context(), dir).judge(), want{"state: records", Failed, "state.db"})
}

func TestCredentials(t *testing.T) {
	at := time.Date(2027, 3, 4, 5, 6, 7, 0, time.UTC)
	good := credentials{site: "Plant1", sensor: "s1", from: at.AddDate(0, -1, 0), until: at.AddDate(1, 0, 0), now: at}
	compare(t, good.judge(), want{"certificate", OK, "s1 at site Plant1, valid 2027-02-04 to 2028-03-04"})
	ending := good
	ending.until = at.AddDate(0, 0, 1)
	compare(t, ending.judge(), want{"certificate", Warning, "ends soon"})
	compare(t, readIdentity(t.TempDir()).judge(), want{"certificate", Failed, "spanwatch-cloud certificate"})
}

func TestNoWayToTheCollector(t *testing.T) {
	compare(t, hops(t.Context(), "nonsense", t.TempDir()), want{"collector: address", Failed, "HOST:PORT"})
}
