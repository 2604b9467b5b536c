package inventory

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

func near(n byte) protocols.MAC { return protocols.MAC{0x00, 0x80, 0xf4, 1, 2, n} }

// disclose lets a device say of itself what facts tell: pairs of key and value.
func disclose(i *Inventory, server protocols.Endpoint, seconds int, facts ...string) {
	e := read(conv(at("10.0.0.5", 50000, mac(5)), server), protocols.Server, seconds)
	e.Action, e.Message = protocols.ActionIdentify, "Identify"
	for k := 0; k < len(facts); k += 2 {
		e.Facts = append(e.Facts, protocols.Fact{About: protocols.Server, Key: protocols.FactKey(facts[k]), Value: facts[k+1]})
	}
	i.Event(e)
}

func TestOneDeviceWithSeveralInterfaces(t *testing.T) {
	same := []string{"serial", "S-471100", "model", "CPU 315"}
	for name, c := range map[string]struct {
		play func(*Inventory)
		want int // devices beside the one that asks
	}{
		"the same serial number in another network": {func(i *Inventory) {
			disclose(i, at("10.0.1.9", 502, mac(9)), 0, same...)
			disclose(i, at("10.0.2.9", 502, mac(10)), 1, same...)
		}, 1},
		"three interfaces": {func(i *Inventory) {
			for n := range byte(3) {
				disclose(i, at(fmt.Sprintf("10.0.%d.9", n+1), 502, mac(9+n)), int(n), same...)
			}
		}, 1},
		"adjacent MACs in one network": {func(i *Inventory) {
			disclose(i, at("10.0.1.9", 502, near(9)), 0, same...)
			disclose(i, at("10.0.1.10", 502, near(10)), 1, same...)
		}, 1},
		"the same name and model, adjacent MACs": {func(i *Inventory) {
			disclose(i, at("10.0.1.9", 502, near(9)), 0, "name", "pump", "model", "CPU 315")
			disclose(i, at("10.0.1.10", 502, near(10)), 1, "name", "pump", "model", "CPU 315")
		}, 1},
		"the same name and model, MACs of other devices": {func(i *Inventory) {
			disclose(i, at("10.0.1.9", 502, near(9)), 0, "name", "plc_1", "model", "CPU 315")
			disclose(i, at("10.0.2.9", 502, near(90)), 1, "name", "plc_1", "model", "CPU 315")
		}, 2},
		"a serial number of all simulators, in one network": {func(i *Inventory) {
			disclose(i, at("10.0.1.9", 502, mac(9)), 0, same...)
			disclose(i, at("10.0.1.10", 502, mac(60)), 1, same...)
		}, 2},
		"a serial number of many": {func(i *Inventory) {
			for n := range byte(6) {
				disclose(i, at(fmt.Sprintf("10.0.%d.9", n+1), 502, mac(9+n)), int(n), same...)
			}
		}, 6},
		"no serial number": {func(i *Inventory) {
			disclose(i, at("10.0.1.9", 502, mac(9)), 0, "serial", "00000000")
			disclose(i, at("10.0.2.9", 502, mac(10)), 1, "serial", "00000000")
		}, 2},
		"another model": {func(i *Inventory) {
			disclose(i, at("10.0.1.9", 502, mac(9)), 0, same...)
			disclose(i, at("10.0.2.9", 502, mac(10)), 1, "serial", "S-471100", "model", "CPU 416")
		}, 2},
		"taken apart when another serial number shows": {func(i *Inventory) {
			disclose(i, at("10.0.1.9", 502, near(9)), 0, "name", "pump", "model", "CPU 315")
			disclose(i, at("10.0.1.10", 502, near(10)), 1, "name", "pump", "model", "CPU 315")
			if n := len(i.Devices()); n != 2 {
				t.Errorf("%d devices before, want 2", n)
			}
			disclose(i, at("10.0.1.9", 502, near(9)), 2, "serial", "S-000001")
			disclose(i, at("10.0.1.10", 502, near(10)), 3, "serial", "S-000002")
		}, 2},
		"one that asks the other": {func(i *Inventory) {
			disclose(i, at("10.0.1.9", 502, mac(9)), 0, same...)
			disclose(i, at("10.0.2.9", 502, mac(10)), 1, same...)
			i.Event(read(conv(at("10.0.2.9", 50000, mac(10)), at("10.0.1.9", 502, mac(9))), protocols.Client, 2))
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			i := New(Config{Site: "Harbour"})
			c.play(i)
			all := i.Devices()
			if len(all) != c.want+1 {
				t.Errorf("%d devices, want %d: %v", len(all), c.want+1, summary(i))
			}
			for _, v := range all {
				for _, ip := range v.IPs {
					if got, ok := i.Device(i.ID(at(ip, 0, protocols.MAC{}))); !ok || got.ID != v.ID {
						t.Errorf("%s leads to %s, its device is %s", ip, got.ID, v.ID)
					}
				}
			}
		})
	}
}

// TestMergeIsEvident: a merged device says what it was merged from and why, and is found under every id it had.
func TestMergeIsEvident(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	a, b := at("10.0.1.9", 502, mac(9)), at("10.0.2.9", 502, mac(10))
	disclose(i, a, 0, "model", "CPU 315")
	disclose(i, b, 1, "model", "CPU 315")
	first, second := i.ID(a), i.ID(b)
	i.SetCompromise(second, Compromise{State: "suspected"})
	disclose(i, a, 2, "serial", "S-471100")
	disclose(i, b, 3, "serial", "S-471100")
	if i.ID(a) != first || i.ID(b) != first {
		t.Errorf("ids are %s and %s, want %s for both", i.ID(a), i.ID(b), first)
	}
	v, ok := i.Device(second)
	if !ok || v.ID != first || !slices.Equal(v.Aliases, []string{second}) || !slices.Equal(v.IPs, []string{"10.0.1.9", "10.0.2.9"}) ||
		len(v.MACs) != 2 || v.Compromise.State != "suspected" || v.Serial != "S-471100" {
		t.Errorf("%v %+v", ok, v)
	}
	if _, macs, _ := i.Identity(b); !slices.Equal(macs, v.MACs) {
		t.Errorf("a verdict on a MAC would look among %v", macs)
	}
	var why []Fact
	for _, f := range v.Facts {
		if f.Key == FactMerged {
			why = append(why, f)
		}
	}
	if len(why) != 1 || why[0].Value != mac(10).String() || why[0].Source != "inventory: discloses the same serial number S-471100 and model" {
		t.Errorf("merged because of %+v", why)
	}
	apart := New(Config{Site: "Harbour", Devices: []Override{{IP: b.Addr, Separate: true}}})
	disclose(apart, a, 2, "serial", "S-471100")
	disclose(apart, b, 3, "serial", "S-471100")
	if n := len(apart.Devices()); n != 3 {
		t.Errorf("%d devices although the operator keeps them apart", n)
	}
}

// TestVirtualRouter: a MAC that routers share is no device: what it carries belongs to who holds it.
func TestVirtualRouter(t *testing.T) {
	shared := protocols.MAC{0x00, 0x00, 0x5e, 0x00, 0x01, 0x0a}
	group := at("224.0.0.18", 0, protocols.MAC{1, 0, 0x5e, 0, 0, 18})
	advertise := func(i *Inventory, router string, seconds int) {
		f := flow(&protocols.Conversation{Client: at(router, 0, shared), Server: group}, seconds)
		f.Packets[1], f.Answered = 0, 0
		i.Flow(f)
	}
	i := New(Config{Site: "Harbour"})
	i.Binding(arp("10.0.0.1", shared)) // the virtual address
	i.Binding(arp("10.0.0.2", near(2)))
	i.Binding(arp("10.0.0.3", near(3)))
	check(t, i, "[10.0.0.1] [00:00:5e:00:01:0a] workstation", "[10.0.0.2] [00:80:f4:01:02:02] workstation", "[10.0.0.3] [00:80:f4:01:02:03] workstation")
	early := i.ID(at("10.0.0.1", 0, shared))
	advertise(i, "10.0.0.2", 0)
	check(t, i, "[10.0.0.1 10.0.0.2] [00:00:5e:00:01:0a 00:80:f4:01:02:02] network", "[10.0.0.3] [00:80:f4:01:02:03] workstation")
	if v, ok := i.Device(early); !ok || len(v.IPs) != 2 {
		t.Errorf("the id of the virtual address leads to %+v", v.IPs)
	}
	for n := range 5 { // frames to other networks go to the shared MAC
		i.Flow(flow(conv(at("10.0.0.5", 50000, mac(5)), at(fmt.Sprintf("10.7.%d.1", n), 443, shared)), n))
	}
	advertise(i, "10.0.0.3", 60) // the other router takes over
	if a, b := i.ID(at("10.0.0.1", 0, shared)), i.ID(at("10.0.0.3", 0, near(3))); a != b {
		t.Errorf("the virtual address is of %s, its holder is %s", a, b)
	}
	for _, v := range i.Devices() {
		if slices.Equal(v.MACs, []string{shared.String()}) {
			t.Errorf("the shared MAC is a device: %+v", v)
		}
	}
}

func TestHistory(t *testing.T) {
	plc := at("10.0.0.9", 102, mac(9))
	i := New(Config{Site: "Harbour"})
	tell := func(seconds int, message string, facts ...string) {
		e := read(conv(at("10.0.0.5", 50000, mac(5)), plc), protocols.Server, seconds)
		e.Message = message
		for k := 0; k < len(facts); k += 2 {
			e.Facts = append(e.Facts, protocols.Fact{About: protocols.Server, Key: protocols.FactKey(facts[k]), Value: facts[k+1]})
		}
		i.Event(e)
	}
	tell(0, "Status", "mode", "run", "firmware", "V3.2", "firmware", "B1") // two firmwares in one message are no change
	tell(1, "Status", "mode", "run", "firmware", "V3.2", "firmware", "B1")
	tell(2, "Stop", "mode", "stop")
	tell(3, "Status", "mode", "stop", "firmware", "V3.1", "firmware", "B1")
	tell(4, "Start", "mode", "run")
	tell(5, "Nameplate", "firmware", "3.1.0") // another message's way to say it is no change
	v, ok := i.Device(i.ID(plc))
	if !ok || v.Mode != "run" {
		t.Errorf("%v, mode %q", ok, v.Mode)
	}
	var got []string
	for _, c := range v.Changes {
		got = append(got, fmt.Sprintf("%v %s %s→%s by %s", c.Time.Sub(epoch).Seconds(), c.Key, c.From, c.To, c.Source))
	}
	want := []string{"4 mode stop→run by toy: Start", "3 firmware V3.2→V3.1 by toy: Status", "2 mode run→stop by toy: Stop"}
	if !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
	for n := range 500 {
		tell(10+2*n, "Stop", "mode", "stop")
		tell(11+2*n, "Start", "mode", "run")
	}
	if v, _ = i.Device(i.ID(plc)); len(v.Changes) > MaxChanges || v.Changes[0].Time != epoch.Add(1009*time.Second) {
		t.Errorf("%d changes, the last at %v", len(v.Changes), v.Changes[0].Time)
	}
}

// TestAddressesMove: a device keeps the addresses it had, with their times; an address that is claimed by another MAC
// later shows with both.
func TestAddressesMove(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	bind := func(ip string, m protocols.MAC, seconds int) {
		b := arp(ip, m)
		b.Time = epoch.Add(time.Duration(seconds) * time.Second)
		i.Binding(b)
	}
	bind("10.0.0.50", mac(1), 0)
	bind("10.0.0.50", mac(1), 10)
	bind("10.0.0.51", mac(1), 20)
	bind("10.0.0.60", mac(2), 0)
	bind("10.0.0.50", mac(2), 30)
	id := i.ID(at("10.0.0.51", 0, mac(1)))
	v, _ := i.Device(id)
	times := func(v Device) (all []string) {
		for _, a := range v.Addresses {
			all = append(all, fmt.Sprintf("%s %v-%v %v", a.IP, a.FirstSeen.Sub(epoch).Seconds(), a.LastSeen.Sub(epoch).Seconds(), a.Device == id))
		}
		return all
	}
	if got, want := times(v), []string{"10.0.0.51 20-20 false", "10.0.0.50 0-10 false"}; !slices.Equal(got, want) {
		t.Errorf("addresses %q, want %q", got, want)
	}
	w, _ := i.Device(i.ID(at("10.0.0.60", 0, mac(2))))
	if got, want := times(w), []string{"10.0.0.50 30-30 true", "10.0.0.60 0-0 false"}; !slices.Equal(got, want) {
		t.Errorf("addresses %q, want %q", got, want)
	}
}
