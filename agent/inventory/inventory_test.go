package inventory

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/protocols"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func mac(n byte) protocols.MAC { return protocols.MAC{2, 0, 0, 0, 0, n} }

func at(ip string, port uint16, m protocols.MAC) protocols.Endpoint {
	e := protocols.Endpoint{Port: port, MAC: m}
	if ip != "" {
		e.Addr = netip.MustParseAddr(ip)
	}
	return e
}

func conv(client, server protocols.Endpoint) *protocols.Conversation {
	return &protocols.Conversation{Client: client, Server: server, Transport: protocols.TransportTCP, Proven: true}
}

func flow(c *protocols.Conversation, seconds int) *protocols.Flow {
	t := epoch.Add(time.Duration(seconds) * time.Second)
	return &protocols.Flow{Conv: c, Packets: [2]uint64{1, 1}, Bytes: [2]uint64{60, 60}, First: t, Last: t, Opened: 1, Answered: 1}
}

func read(c *protocols.Conversation, from protocols.Side, seconds int) *protocols.Event {
	outcome := protocols.OutcomeAsked
	if from == protocols.Server {
		outcome = protocols.OutcomeDone
	}
	return &protocols.Event{
		From: from, Action: protocols.ActionRead, Outcome: outcome, Conv: c, Protocol: "toy", Message: "Read",
		Object: protocols.Object{Area: "register", Count: 1}, Time: epoch.Add(time.Duration(seconds) * time.Second),
	}
}

func arp(ip string, m protocols.MAC) protocols.Binding {
	return protocols.Binding{Time: epoch, Addr: netip.MustParseAddr(ip), MAC: m, OnLink: true}
}

func summary(i *Inventory) []string {
	var all []string
	for _, v := range i.Devices() {
		all = append(all, fmt.Sprintf("%v %v %s", v.IPs, v.MACs, v.Type))
	}
	slices.Sort(all)
	return all
}

func check(t *testing.T, i *Inventory, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, summary(i)); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
}

func TestRouterCarriesOthers(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	station := at("10.0.0.10", 50000, mac(10))
	var early string
	for n := range 3 {
		c := conv(station, at(fmt.Sprintf("10.9.%d.1", n), 502, mac(1)))
		i.Flow(flow(c, n))
		i.Event(read(c, protocols.Server, n))
		if n == 0 {
			early = i.ID(c.Server)
		}
	}
	i.Binding(arp("10.0.0.1", mac(1)))
	i.Flow(flow(conv(station, at("10.0.0.1", 443, mac(1))), 9))
	check(t, i,
		"[10.0.0.10] [02:00:00:00:00:0a] workstation",
		"[10.0.0.1] [02:00:00:00:00:01] network",
		"[10.9.0.1] [] plc", "[10.9.1.1] [] plc", "[10.9.2.1] [] plc")
	if v, ok := i.Device(early); !ok || len(v.IPs) != 1 {
		t.Errorf("the id given out before the router was known finds %v, %v", v.IPs, ok)
	}
}

func TestExternalIsNoDevice(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	host := at("192.168.1.5", 50000, mac(5))
	for n := range 3 {
		i.Flow(flow(conv(host, at(fmt.Sprintf("8.8.%d.8", n), 443, mac(1))), n))
	}
	check(t, i, "[192.168.1.5] [02:00:00:00:00:05] workstation")
	if id := i.ID(at("8.8.1.8", 443, mac(1))); id != "" {
		t.Errorf("an external address has the id %q", id)
	}
	// The same address serves OT: it is a device, wherever it is.
	c := conv(host, at("8.8.1.8", 502, mac(1)))
	i.Event(read(c, protocols.Server, 5))
	if id := i.ID(c.Server); id == "" {
		t.Error("a server of OT beyond the router is no device")
	}
}

func TestPublicAddressesInsideThePlant(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	panel := at("141.81.0.10", 50000, mac(10))
	for n := range byte(3) {
		c := conv(panel, at(fmt.Sprintf("141.81.0.%d", 20+n), 502, mac(20+n)))
		i.Event(read(c, protocols.Client, int(n)))
		i.Event(read(c, protocols.Server, int(n)))
	}
	check(t, i,
		"[141.81.0.10] [02:00:00:00:00:0a] workstation",
		"[141.81.0.20] [02:00:00:00:00:14] plc", "[141.81.0.21] [02:00:00:00:00:15] plc", "[141.81.0.22] [02:00:00:00:00:16] plc")
}

func TestNoDevices(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	host := at("10.0.0.5", 50000, mac(5))
	for _, to := range []protocols.Endpoint{
		at("239.1.2.3", 5000, protocols.MAC{1, 0, 0x5e, 1, 2, 3}), at("255.255.255.255", 67, protocols.MAC{255, 255, 255, 255, 255, 255}),
		at("10.0.0.255", 137, protocols.MAC{255, 255, 255, 255, 255, 255}), at("0.0.0.0", 0, mac(9)), at("ff02::1", 1, protocols.MAC{0x33, 0x33}),
		at("", 0, protocols.MAC{}), at("", 0, protocols.MAC{1}),
	} {
		f := flow(conv(host, to), 1)
		f.Packets[protocols.Server], f.Answered = 0, 0
		i.Flow(f)
		if id := i.ID(to); id != "" {
			t.Errorf("%s has the id %q", to, id)
		}
	}
	silent := flow(conv(host, at("10.0.0.77", 502, mac(77))), 2)
	silent.Packets[protocols.Server], silent.Answered = 0, 0
	i.Flow(silent)
	check(t, i, "[10.0.0.5] [02:00:00:00:00:05] workstation")
}

func TestLoopbackIsOneDevice(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	c := conv(at("127.0.0.1", 50000, protocols.MAC{}), at("127.0.0.1", 502, protocols.MAC{}))
	i.Event(read(c, protocols.Client, 0))
	i.Event(read(c, protocols.Server, 0))
	check(t, i, "[127.0.0.1] [] plc")
}

// Captures whose MACs were rewritten have hosts with group addresses.
func TestRewrittenMACs(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	c := conv(at("10.0.0.5", 50000, protocols.MAC{1, 2, 3, 4, 5, 6}), at("10.0.0.6", 502, mac(6)))
	i.Event(read(c, protocols.Client, 0))
	i.Event(read(c, protocols.Server, 0))
	check(t, i, "[10.0.0.5] [] workstation", "[10.0.0.6] [02:00:00:00:00:06] plc")
}

func TestOneMACForEverybodyTellsNothing(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	c := conv(at("10.0.0.5", 50000, mac(1)), at("10.0.0.6", 502, mac(1)))
	i.Event(read(c, protocols.Client, 0))
	i.Event(read(c, protocols.Server, 0))
	check(t, i, "[10.0.0.5] [] workstation", "[10.0.0.6] [] plc")
}

// Whoever claims a controller's address later, with a MAC of its own, takes neither address nor identity over.
func TestSpoofedARPTakesNothingOver(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	i.Binding(arp("10.0.0.20", mac(20)))
	i.Binding(protocols.Binding{Time: epoch, Addr: netip.MustParseAddr("10.0.0.66"), MAC: mac(66), OnLink: true})
	before := i.ID(at("10.0.0.20", 502, mac(20)))
	i.Binding(protocols.Binding{Time: epoch.Add(time.Hour), Addr: netip.MustParseAddr("10.0.0.20"), MAC: mac(66), OnLink: true})
	if after := i.ID(at("10.0.0.20", 502, mac(66))); after != before {
		t.Errorf("the controller's id changed from %s to %s", before, after)
	}
	check(t, i, "[10.0.0.20] [02:00:00:00:00:14] workstation", "[10.0.0.66] [02:00:00:00:00:42] workstation")
}

func TestUnitsBehindAGateway(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	c := conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.9", 502, mac(9)))
	answer := func(unit uint16, outcome protocols.Outcome, facts ...protocols.Fact) {
		e := read(c, protocols.Server, 0)
		e.Object.Unit, e.Object.HasUnit, e.Outcome, e.Facts = unit, true, outcome, facts
		i.Event(e)
	}
	answer(1, protocols.OutcomeDone)
	answer(255, protocols.OutcomeDone)
	answer(9, protocols.OutcomeRefused)
	check(t, i, "[10.0.0.5] [02:00:00:00:00:05] workstation", "[10.0.0.9] [02:00:00:00:00:09] plc")
	answer(2, protocols.OutcomeDone, protocols.Fact{About: protocols.Server, Key: protocols.FactVendor, Value: "Pump works"})
	check(t, i, "[10.0.0.5] [02:00:00:00:00:05] workstation", "[10.0.0.9] [02:00:00:00:00:09] gateway", "[] [] io", "[] [] io")
	for _, v := range i.Devices() {
		if v.Type == TypeGateway && v.Vendor != "" || v.Parent != "" && v.Parent != i.ID(c.Server) {
			t.Errorf("%s: vendor %q parent %q", v.Type, v.Vendor, v.Parent)
		}
	}
	units := i.Units(i.ID(c.Server))
	if len(units) != 2 || units[1].Vendor != "Pump works" {
		t.Errorf("units: %+v", units)
	}
	for u := uint16(1); u < 100; u++ { // a sweep that a server answers whatever the unit
		answer(u, protocols.OutcomeDone)
	}
	check(t, i, "[10.0.0.5] [02:00:00:00:00:05] workstation", "[10.0.0.9] [02:00:00:00:00:09] plc")
}

func TestFacts(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	c := conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.9", 102, mac(9)))
	tell := func(seconds int, facts ...protocols.Fact) {
		e := read(c, protocols.Server, seconds)
		e.Action, e.Message, e.Facts = protocols.ActionIdentify, "Identify", facts
		i.Event(e)
	}
	about := func(key protocols.FactKey, value, module string, confidence uint8) protocols.Fact {
		return protocols.Fact{About: protocols.Server, Key: key, Value: value, Module: module, Confidence: confidence}
	}
	tell(0, about(protocols.FactFirmware, "V2.0", "", 0), about(protocols.FactFirmware, "V9", "", 50), about(protocols.FactVendor, "Works\x00\x01\xff AG", "", 0))
	tell(1, about(protocols.FactFirmware, "V1.0", "", 0), about(protocols.FactName, "PLC_1", "", 0), about(protocols.FactModule, "CPU 315", "0/2", 0),
		about(protocols.FactSerial, "S123", "0/2", 0), about(protocols.FactModule, "DI 16", "0/4", 0))
	v, ok := i.Device(i.ID(c.Server))
	if !ok {
		t.Fatal("no device")
	}
	if v.Firmware != "V1.0" || v.Vendor != "Works AG" || v.Serial != "S123" || !slices.Equal(v.Names, []string{"PLC_1"}) {
		t.Errorf("firmware %q vendor %q serial %q names %v", v.Firmware, v.Vendor, v.Serial, v.Names)
	}
	want := []Module{{Place: "0/2", Name: "CPU 315", Serial: "S123"}, {Place: "0/4", Name: "DI 16"}}
	if diff := cmp.Diff(want, v.Modules); diff != "" {
		t.Error(diff)
	}
	firmware := 0
	for _, f := range v.Facts {
		if f.Key == protocols.FactFirmware {
			firmware++
		}
	}
	if firmware != 3 {
		t.Errorf("%d firmware facts stand side by side, want 3", firmware)
	}
}

// A client that is also used for other work, or looks for devices, plays a role only if it stays; one that deals with
// devices it knows and nothing else need not.
func TestClientsNeedToStay(t *testing.T) {
	role := protocols.Fact{About: protocols.Client, Key: protocols.FactRole, Value: TypeEngineering, Confidence: 80}
	play := func(a protocols.Action, minutes int, before ...*protocols.Flow) *Inventory {
		i := New(Config{Site: "Harbour"})
		for _, f := range before {
			i.Flow(f)
		}
		c := conv(at("192.168.1.1", 50000, mac(5)), at("10.0.0.9", 102, mac(9)))
		for n := range minutes {
			e := read(c, protocols.Client, 60*n)
			e.Action, e.Facts = a, []protocols.Fact{role}
			i.Event(e)
		}
		return i
	}
	errand := flow(conv(at("192.168.1.1", 50001, mac(5)), at("10.0.0.7", 80, mac(7))), 0)
	errand.Ordinary = true
	var sweep []*protocols.Flow
	for n := range sweepAt {
		f := flow(conv(at("192.168.1.1", 50002, mac(5)), at(fmt.Sprintf("10.0.0.%d", 20+n), 102, mac(byte(20+n)))), n)
		f.Answered, f.Refused, f.Began = 0, 1, true
		sweep = append(sweep, f)
	}
	for name, c := range map[string]struct {
		action         protocols.Action
		minutes        int
		before         []*protocols.Flow
		kind, category string
	}{
		"comes by, with other work":    {protocols.ActionIdentify, 2, []*protocols.Flow{errand}, TypeWorkstation, CategoryEndpoint},
		"comes by, after a sweep":      {protocols.ActionIdentify, 2, sweep, TypeWorkstation, CategoryEndpoint},
		"comes by, and nothing else":   {protocols.ActionIdentify, 2, nil, TypeEngineering, CategoryOT},
		"comes by, and changes things": {protocols.ActionDownload, 2, nil, TypeWorkstation, CategoryEndpoint},
		"two that did not answer":      {protocols.ActionIdentify, 2, sweep[:2], TypeEngineering, CategoryOT},
		"stays, with other work":       {protocols.ActionDownload, stayMinutes, []*protocols.Flow{errand}, TypeEngineering, CategoryOT},
		"only what any network serves": {protocols.ActionDownload, 0, []*protocols.Flow{errand}, TypeWorkstation, CategoryEndpoint},
	} {
		t.Run(name, func(t *testing.T) {
			i := play(c.action, c.minutes, c.before...)
			v, ok := i.Device(i.ID(at("192.168.1.1", 0, mac(5))))
			if !ok || v.Type != c.kind || v.Category != c.category || v.PublicIP != "192.168.1.1" {
				t.Errorf("%v: %s, %s, %s", ok, v.Type, v.Category, v.PublicIP)
			}
		})
	}
}

// TestTypesByBehaviour: who asks whom for what, in a capture of some seconds.
func TestTypesByBehaviour(t *testing.T) {
	client, server := at("10.0.0.5", 50000, mac(5)), at("10.0.0.9", 502, mac(9))
	deed := func(a protocols.Action, area string) func(*Inventory, int) {
		return func(i *Inventory, second int) {
			for _, side := range []protocols.Side{protocols.Client, protocols.Server} {
				e := read(conv(client, server), side, second)
				e.Action, e.Object.Area = a, area
				i.Event(e)
			}
		}
	}
	errand := func(i *Inventory, second int) {
		f := flow(conv(client, at("10.0.0.7", 80, mac(7))), second)
		f.Ordinary = true
		i.Flow(f)
	}
	every := func(seconds int, do func(*Inventory, int)) func(*Inventory, int) {
		return func(i *Inventory, second int) {
			if second%seconds == 0 {
				do(i, second)
			}
		}
	}
	for name, c := range map[string]struct {
		deeds          []func(*Inventory, int)
		client, server string
	}{
		"polls, and writes now and then": {[]func(*Inventory, int){deed(protocols.ActionRead, "holding-register"), every(7, deed(protocols.ActionWrite, "holding-register"))}, TypeHMI, TypePLC},
		"polls inputs":                   {[]func(*Inventory, int){deed(protocols.ActionRead, areaInputRegister)}, TypeHMI, TypeIO},
		"polls inputs and outputs":       {[]func(*Inventory, int){deed(protocols.ActionRead, areaInputRegister), deed(protocols.ActionRead, "coil")}, TypeHMI, TypePLC},
		"collects nodes":                 {[]func(*Inventory, int){deed(protocols.ActionRead, areaNode)}, TypeHistorian, TypeSCADAServer},
		"polls, and hands on":            {[]func(*Inventory, int){deed(protocols.ActionRead, "coil"), errand}, TypeHistorian, TypePLC},
		"looks once":                     {[]func(*Inventory, int){every(100, deed(protocols.ActionRead, "coil"))}, TypeWorkstation, TypePLC},
		"programs once":                  {[]func(*Inventory, int){every(100, deed(protocols.ActionDownload, "block"))}, TypeWorkstation, TypePLC},
	} {
		t.Run(name, func(t *testing.T) {
			i := New(Config{Site: "Harbour"})
			for second := range 10 {
				for _, do := range c.deeds {
					do(i, second)
				}
			}
			v, _ := i.Device(i.ID(client))
			w, _ := i.Device(i.ID(server))
			if v.Type != c.client || w.Type != c.server {
				t.Errorf("client %s, server %s, want %s and %s", v.Type, w.Type, c.client, c.server)
			}
		})
	}
}

func TestTypesByIdentity(t *testing.T) {
	for value, want := range map[string]string{
		"PowerLogic PM5560": TypeIO, "6ES7 315-2EH14-0AB0": TypePLC, "6ES7315-2EH14-0AB0": TypePLC, "1756-L8SP": TypeSafety, "1756-L81E": TypePLC,
		"scalance x208": TypeNetwork, "6AV2 124-0GC01-0AX0": TypeHMI, "PowerFlex 755": TypeDrive, "Optiplex 7010": "", "": "",
	} {
		if got := productType(value); got != want {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
	}
	for value, want := range map[string]string{"Cisco Systems, Inc": TypeNetwork, "Axis Communications AB": TypeCamera, "Dell Inc.": "", "": ""} {
		if got := makerType(value); got != want {
			t.Errorf("%q makes %q, want %q", value, got, want)
		}
	}
}

func TestCapacity(t *testing.T) {
	i := New(Config{Site: "Harbour", MaxDevices: 64, MaxFacts: 8})
	plc := conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.9", 502, mac(9)))
	i.Event(read(plc, protocols.Server, 0))
	for n := range 10_000 {
		ip := netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)})
		m := protocols.MAC{2, 1, 0, 0, byte(n >> 8), byte(n)}
		i.Flow(flow(conv(protocols.Endpoint{Addr: ip, Port: 1, MAC: m}, plc.Server), n))
		e := read(plc, protocols.Server, n)
		e.Facts = []protocols.Fact{{About: protocols.Server, Key: protocols.FactName, Value: fmt.Sprint(n)}}
		i.Event(e)
	}
	s := i.Stats()
	if s.Hosts > 64 || s.Links > 64 || s.EvictedHosts == 0 || s.DroppedFacts == 0 {
		t.Errorf("%+v", s)
	}
	if len(i.byID) > 3*64 {
		t.Errorf("%d ids are remembered", len(i.byID))
	}
	if v, ok := i.Device(i.ID(plc.Server)); !ok || len(v.Names) > 8 {
		t.Errorf("the controller: %v %v", ok, v.Names)
	}
}

// TestOrderDoesNotMatter: flows, events and bindings in any order give the same devices.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		endpoints := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) protocols.Endpoint {
			ip := rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.1.0.4", "10.2.0.5", "8.8.8.8", "9.9.9.9", "fe80::1", "fd00::1", ""}).Draw(t, "ip")
			m := mac(byte(rapid.IntRange(1, maxBindings).Draw(t, "mac")))
			if m[5] == maxBindings {
				m = protocols.MAC{0x00, 0x00, 0x5e, 0x00, 0x01, 0x04}
			}
			return at(ip, 502, m)
		}), 2, 8).Draw(t, "endpoints")
		type step func(*Inventory)
		var steps []step
		for n := range rapid.IntRange(1, 30).Draw(t, "steps") {
			a, b := rapid.SampledFrom(endpoints).Draw(t, "a"), rapid.SampledFrom(endpoints).Draw(t, "b")
			c, seconds := conv(a, b), rapid.IntRange(0, 10_000).Draw(t, "time")
			switch n % 3 {
			case 0:
				steps = append(steps, func(i *Inventory) { i.Flow(flow(c, seconds)) })
			case 1:
				e := read(c, protocols.Side(n/3%2), seconds)
				e.Facts = []protocols.Fact{
					{About: protocols.Server, Key: protocols.FactName, Value: fmt.Sprint(n)},
					{Addr: a.Addr, Key: protocols.FactFQDN, Value: fmt.Sprintf("host-%d.example", n%4), Confidence: uint8(n)},
				}
				if n%2 == 0 { // some are interfaces of one device
					e.Facts = append(e.Facts, protocols.Fact{About: protocols.Server, Key: protocols.FactSerial, Value: fmt.Sprint("S-10000", n%5)})
				}
				if isPublic(a.Addr) { // whether such a name is kept depends on whether the device is known
					e.Facts = slices.Delete(e.Facts, 1, 2)
				}
				steps = append(steps, func(i *Inventory) { i.Event(e) })
			default:
				bound := protocols.Binding{
					Time: epoch.Add(time.Duration(seconds) * time.Second), Addr: a.Addr, MAC: b.MAC,
					OnLink: rapid.Bool().Draw(t, "on link"),
				}
				steps = append(steps, func(i *Inventory) { i.Binding(bound) })
			}
		}
		run := func() *Inventory {
			i := New(Config{Site: "Harbour"})
			for _, s := range steps {
				s(i)
				for _, e := range endpoints {
					i.ID(e) // asking early changes nothing
				}
			}
			return i
		}
		first := run()
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		r.Shuffle(len(steps), func(a, b int) { steps[a], steps[b] = steps[b], steps[a] })
		history := cmpopts.IgnoreFields(Device{}, "Changes") // what came late is no change
		if diff := cmp.Diff(first.Devices(), run().Devices(), history); diff != "" {
			t.Fatalf("devices depend on the order:\n%s", diff)
		}
		for _, v := range first.Devices() {
			if got, ok := first.Device(v.ID); v.Parent == "" && (!ok || !cmp.Equal(got, v)) {
				t.Fatalf("Device(%s) differs from Devices: %s", v.ID, cmp.Diff(v, got))
			}
		}
	})
}

func BenchmarkDevices(b *testing.B) {
	i := New(Config{Site: "Harbour"})
	for n := range 10_000 {
		server := protocols.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}), Port: 502, MAC: protocols.MAC{2, 1, 0, 0, byte(n >> 8), byte(n)}}
		c := conv(at("10.0.0.5", 50000, mac(5)), server)
		e := read(c, protocols.Server, n)
		e.Facts = []protocols.Fact{{About: protocols.Server, Key: protocols.FactVendor, Value: "Works"}, {About: protocols.Server, Key: protocols.FactName, Value: fmt.Sprint("PLC", n)}}
		i.Event(e)
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(i.Devices()) != 10_001 {
			b.Fatal("devices are missing")
		}
	}
}

// BenchmarkLargeSite is the cost of an event, and the memory of a device, at so many devices.
func BenchmarkLargeSite(b *testing.B) {
	for _, devices := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint(devices), func(b *testing.B) {
			events := make([]*protocols.Event, devices)
			for n := range events {
				server := protocols.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}), Port: 502, MAC: protocols.MAC{2, 1, 0, 0, byte(n >> 8), byte(n)}}
				e := read(conv(at("10.0.0.5", 50000, mac(5)), server), protocols.Server, n)
				e.Facts = []protocols.Fact{
					{About: protocols.Server, Key: protocols.FactName, Value: fmt.Sprint("PLC", n)}, {About: protocols.Server, Key: protocols.FactModel, Value: "CPU 315"},
					{About: protocols.Server, Key: protocols.FactSerial, Value: fmt.Sprint("S-10000", n)}, {About: protocols.Server, Key: protocols.FactMode, Value: "run"},
				}
				events[n] = e
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			i := New(Config{Site: "Harbour"})
			for _, e := range events {
				i.Event(e)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				i.Event(events[n%devices])
				i.ID(events[n%devices].Conv.Server)
				n++
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(devices), "B/device")
		})
	}
}

func BenchmarkEvent(b *testing.B) {
	i := New(Config{Site: "Harbour"})
	c := conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.9", 502, mac(9)))
	e := read(c, protocols.Client, 0)
	i.Event(e)
	b.ReportAllocs()
	for b.Loop() {
		i.Event(e)
	}
}
