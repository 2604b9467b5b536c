package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live"
)

// heard is what listening to one interface gave.
type heard struct {
	link    *link
	lasted  time.Duration
	traffic *traffic
	status  live.Status
	failed  error
}

// listen listens to every interface that is up, at the same time.
func listen(ctx context.Context, links []*link, lasting time.Duration) []Finding {
	var all []*heard
	var group sync.WaitGroup
	for _, l := range links {
		if !l.present || !l.up || !l.carrier {
			continue
		}
		h := &heard{link: l}
		all = append(all, h)
		group.Go(func() { h.failed = h.hear(ctx, lasting) })
	}
	group.Wait()
	var list []Finding
	for _, h := range all {
		list = append(list, h.judge()...)
	}
	return list
}

// observer opens packet sockets and leaves the interface as it is.
type observer struct{}

// Open implements [live.Opener].
func (observer) Open(r live.Request) (*live.Grant, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EPERM) {
		return nil, live.ErrPrivilege
	}
	if err != nil {
		return nil, err
	}
	return &live.Grant{Mode: live.ModePlain, Sockets: []*os.File{os.NewFile(uintptr(fd), "packet:"+r.Interface)}}, nil
}

// hear reads the interface for a while.
func (h *heard) hear(ctx context.Context, lasting time.Duration) (err error) {
	c, err := live.Open(ctx, live.Config{
		Interfaces: []string{h.link.name}, Workers: 1, Mode: live.ModePlain, Promiscuous: true, Opener: observer{},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	h.traffic = newTraffic(h.link.mac, h.link.mtu)
	source, begun := c.Sources()[0], time.Now()
	var f capture.Frame
	for time.Since(begun) < lasting && ctx.Err() == nil {
		switch err := source.Next(&f); {
		case err == nil:
			h.traffic.frame(&f)
		case !errors.Is(err, capture.ErrIdle):
			return err
		}
	}
	h.traffic.finish()
	h.lasted, h.status = time.Since(begun), c.Status()[0]
	return nil
}

// judge says what the traffic tells of the mirror.
func (h *heard) judge() []Finding {
	if h.failed != nil {
		advice := "look at: ip link show dev " + h.link.name
		if errors.Is(h.failed, live.ErrPrivilege) {
			advice = "run as root, or with the capability NET_RAW"
		}
		return []Finding{{h.link.check("traffic"), Failed, h.failed.Error(), advice}}
	}
	list := []Finding{h.judgeMirror()}
	if h.traffic.frames > 0 {
		list = append(list, h.judgeSides(), h.judgeTags(), h.judgeDoubles(), h.judgeFrames(), h.judgeProtocols(), h.judgeDrops())
	}
	return append(list, h.judgeSent())
}

const mirrorAdvice = "have the switch mirror (SPAN) the ports of controllers and their stations to this one, both directions"

func (h *heard) judgeMirror() Finding {
	t, check := h.traffic, h.link.check("traffic")
	seconds := h.lasted.Seconds()
	filtered := ""
	if h.link.programmed {
		filtered = "; a program in the kernel filters here already, and only what it lets through was seen"
	}
	if t.frames == 0 {
		return Finding{check, Failed, fmt.Sprintf("nothing came in %.0f s%s", seconds, filtered), mirrorAdvice + "; look at the cable too"}
	}
	found := fmt.Sprintf("%.0f packets and %s a second in %.0f s; %s between other hosts%s",
		float64(t.frames)/seconds, size(float64(t.bytes)/seconds), seconds, percent(t.foreign, t.frames), filtered)
	switch {
	case h.link.loopback:
		return Finding{check, OK, found, ""}
	case t.foreign == 0:
		return Finding{check, Failed, found, "only what everybody on the network gets arrives, so nothing is mirrored to this port: " + mirrorAdvice}
	}
	return Finding{check, OK, found, ""}
}

func (h *heard) judgeSides() Finding {
	check := h.link.check("directions")
	judged, alone := h.traffic.lonely()
	switch {
	case judged == 0:
		return Finding{check, OK, "no TCP conversation was long enough to tell", ""}
	case 2*alone > judged:
		return Finding{check, Warning, fmt.Sprintf("of %d in %d TCP conversations only one side is seen", alone, judged),
			"the switch mirrors one direction only: have it mirror what its ports receive and what they send (both, rx and tx)"}
	}
	return Finding{check, OK, fmt.Sprintf("both sides of %d in %d TCP conversations are seen", judged-alone, judged), ""}
}

func (h *heard) judgeTags() Finding {
	t, check := h.traffic, h.link.check("VLANs")
	if len(t.tagged) == 0 {
		return Finding{check, OK, "no frame has a VLAN tag", ""}
	}
	const shown = 12
	tags := slices.SortedFunc(maps.Keys(t.tagged), func(a, b [2]uint16) int { return slices.Compare(a[:], b[:]) })
	var names []string
	tagged := uint64(0)
	for i, tag := range tags {
		tagged += t.tagged[tag]
		switch {
		case i >= shown:
		case tag[1] != 0:
			names = append(names, fmt.Sprintf("%d.%d", tag[0], tag[1]))
		default:
			names = append(names, strconv.Itoa(int(tag[0])))
		}
	}
	found := strings.Join(names, ", ")
	if len(tags) > shown {
		found += fmt.Sprintf(" and %d more", len(tags)-shown)
	}
	return Finding{check, OK, fmt.Sprintf("%s; %s of the frames have a tag", found, percent(tagged, t.frames)), ""}
}

func (h *heard) judgeDoubles() Finding {
	t, check := h.traffic, h.link.check("doubles")
	found := percent(t.doubles, t.foreign) + " of the frames came twice"
	// A few are repeated in good faith.
	if t.doubles >= 10 && 20*t.doubles > t.foreign {
		return Finding{check, Warning, found,
			"the switch mirrors the same traffic twice, as when both ports or a port and its VLAN are sources: mirror what the ports receive, or the VLAN, not both"}
	}
	return Finding{check, OK, found, ""}
}

func (h *heard) judgeFrames() Finding {
	t, check := h.traffic, h.link.check("frames")
	var faults, advice []string
	if t.truncated > 0 {
		faults = append(faults, percent(t.truncated, t.frames)+" are cut short")
		advice = append(advice, "have the switch mirror whole frames")
	}
	if t.merged > 0 {
		faults = append(faults, percent(t.merged, t.frames)+" are longer than the MTU: several segments in one")
		advice = append(advice, "run: ethtool -K "+h.link.name+" gro off lro off")
	}
	if 100*t.unreadable > t.frames {
		faults = append(faults, percent(t.unreadable, t.frames)+" have headers that cannot be read")
		advice = append(advice, "look at them with: tcpdump -ne -i "+h.link.name)
	}
	if len(faults) > 0 {
		return Finding{check, Warning, strings.Join(faults, "; "), strings.Join(advice, "; ")}
	}
	found := "whole and readable"
	if t.tunnelled > 0 {
		found += "; " + percent(t.tunnelled, t.frames) + " came through a tunnel, such as ERSPAN"
	}
	return Finding{check, OK, found, ""}
}

func (h *heard) judgeProtocols() Finding {
	t, check := h.traffic, h.link.check("protocols")
	var plant []string
	other := 0
	labels := slices.SortedFunc(maps.Keys(t.labels), func(a, b string) int {
		if x, y := t.labels[a].bytes, t.labels[b].bytes; x != y {
			if x > y {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	for _, name := range labels {
		s := t.labels[name]
		switch {
		case !s.plant:
			other++
		case s.bytes > 0:
			plant = append(plant, fmt.Sprintf("%s %s", name, percent(s.bytes, t.bytes)))
		}
	}
	if len(plant) == 0 {
		return Finding{check, Warning, fmt.Sprintf("none of a plant, %d of any network", other),
			"either it was quiet, or the controllers' ports are not mirrored: listen longer with --listen 60s"}
	}
	return Finding{check, OK, fmt.Sprintf("%s of the bytes; %d of any network", strings.Join(plant, ", "), other), ""}
}

func (h *heard) judgeDrops() Finding {
	check := h.link.check("drops")
	if n, r := h.status.NIC.Dropped, h.status.Ring.Dropped; n+r > 0 {
		return Finding{check, Warning, fmt.Sprintf("%d by the network card, %d for want of room in the ring", n, r),
			"the machine is too busy or the card's ring too small: ethtool -G " + h.link.name + " rx 4096, or mirror less"}
	}
	return Finding{check, OK, "none while listening", ""}
}

func (h *heard) judgeSent() Finding {
	check := h.link.check("sent")
	n := h.status.NIC.Transmitted
	switch {
	case h.link.loopback:
		return Finding{check, OK, "loopback: nothing leaves the machine", ""}
	case n == 0:
		return Finding{check, OK, "nothing while listening", ""}
	case h.link.serves():
		return Finding{check, OK, fmt.Sprintf("%d frames while listening, as an interface with an address does", n), ""}
	}
	return Finding{check, Warning, fmt.Sprintf("%d frames while listening, none of them by this program", n),
		"see what sends with: tcpdump -Q out -ne -i " + h.link.name}
}

func percent(part, whole uint64) string {
	if whole == 0 || part == 0 {
		return "0 %"
	}
	p := 100 * float64(part) / float64(whole)
	if p < 0.1 {
		return "less than 0.1 %"
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + " %"
}

// size gives bytes in a form that people read.
func size(bytes float64) string {
	for _, unit := range []string{"bytes", "kB", "MB"} {
		if bytes < 1000 {
			return fmt.Sprintf("%.0f %s", bytes, unit)
		}
		bytes /= 1000
	}
	return fmt.Sprintf("%.1f GB", bytes)
}
