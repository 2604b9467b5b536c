package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// applyDevices stores the newest state of each device, and a row of its history when it changed or a day began.
func (t *transaction) applyDevices(ctx context.Context, b Batch) error {
	for _, d := range b.Devices {
		d.Site, d.Sensor = b.Site, b.Sensor
		newer, err := t.mergeStored(ctx, &d)
		if err != nil {
			return err
		}
		if !newer {
			continue
		}
		if err := t.saveDevice(ctx, d); err != nil {
			return err
		}
		if err := t.saveHistory(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// mergeStored widens d's times by those of the stored device and reports whether d replaces it: a sensor's own word
// always does, another sensor's when it has seen the device later.
func (t *transaction) mergeStored(ctx context.Context, d *Device) (bool, error) {
	var sensor, first, last string
	found, err := t.row(ctx, `SELECT sensor, first_seen, last_seen FROM device WHERE site = ? AND id = ?`,
		[]any{d.Site, d.ID}, &sensor, &first, &last)
	if err != nil || !found {
		return true, err
	}
	newer := sensor == d.Sensor || FormatTime(d.LastSeen) >= last
	if seen, err := ParseTime(first); err == nil && seen.Before(d.FirstSeen) {
		d.FirstSeen = seen
	}
	if seen, err := ParseTime(last); err == nil && newer && seen.After(d.LastSeen) {
		d.LastSeen = seen
	}
	return newer, nil
}

func (t *transaction) saveDevice(ctx context.Context, d Device) error {
	body, err := marshal(d)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT OR REPLACE INTO device
		(site, id, sensor, name, type, category, first_seen, last_seen, search, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		d.Site, d.ID, d.Sensor, d.name(), d.Type, d.Category, FormatTime(d.FirstSeen), FormatTime(d.LastSeen),
		searchable(slices.Concat([]string{d.ID, d.Vendor, d.Model}, d.Names, d.IPs, d.MACs)...), body)
	return err
}

// historyColumns are the columns of device_history that make a change when they differ, in the order of
// [Device.history].
const historyColumns = `name, public_ip, os, category, type, vendor, model, firmware, serial, zone, purdue, criticality,
	ips, macs, protocols, compromise, first_seen, additional`

// history gives the values of historyColumns.
func (d Device) history() ([]any, error) {
	var lists [4]string
	for i, list := range []any{d.IPs, d.MACs, d.Protocols, d.additional()} {
		var err error
		if lists[i], err = marshal(list); err != nil {
			return nil, err
		}
	}
	return []any{
		d.name(), d.PublicIP, d.os(), d.Category, d.Type, d.Vendor, d.Model, d.Firmware, d.Serial, d.Zone, d.Purdue,
		d.Criticality, lists[0], lists[1], lists[2], d.Compromise.State, FormatTime(d.FirstSeen), lists[3],
	}, nil
}

// saveHistory adds a row when the newest one says something else or is of another day.
func (t *transaction) saveHistory(ctx context.Context, d Device) error {
	values, err := d.history()
	if err != nil {
		return err
	}
	var stored [18]string
	var when string
	into := []any{&when}
	for i := range stored {
		into = append(into, &stored[i])
	}
	found, err := t.row(ctx, `SELECT time, `+historyColumns+` FROM device_history WHERE site = ? AND device = ?
		ORDER BY time DESC, report DESC LIMIT 1`, []any{d.Site, d.ID}, into...)
	if err != nil {
		return err
	}
	seen := FormatTime(d.LastSeen)
	const day = len("2006-01-02")
	if found && seen[:day] == when[:day] && slices.EqualFunc(values, stored[:], func(v any, s string) bool { return v == s }) {
		return nil
	}
	_, err = t.exec(ctx, `INSERT INTO device_history (site, device, time, `+historyColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		append([]any{d.Site, d.ID, seen}, values...)...)
	return err
}

// name gives the first of the device's names, or nothing.
func (d Device) name() string {
	if len(d.Names) == 0 {
		return ""
	}
	return d.Names[0]
}

// os gives the operating system that the device told of itself, or nothing.
func (d Device) os() string {
	for _, f := range d.Facts {
		if f.Key == "os" && f.Module == "" {
			return f.Value
		}
	}
	return ""
}

// additional gives what hunting finds in AdditionalFields.
func (d Device) additional() map[string]any {
	return map[string]any{
		"Sensor": d.Sensor, "Parent": d.Parent, "Names": d.Names, "Vlans": d.VLANs, "Modules": d.Modules,
		"Criticality": d.Criticality,
	}
}

// searchable joins texts so that a search finds what is in one of them and nothing across two.
func searchable(texts ...string) string { return strings.ToLower(strings.Join(texts, "\n")) }

// Devices gives the devices by site and id.
func (s *SQLite) Devices(ctx context.Context, f DeviceFilter) ([]Device, error) {
	var c conditions
	c.equal("site", f.Site)
	c.equal("type", f.Type)
	c.equal("category", f.Category)
	c.contains("search", f.Search)
	return query(ctx, s.read, scanBody[Device], `SELECT body FROM device`+c.where()+` ORDER BY site, id`+limit(f.Limit), c.args...)
}

// Device gives one device, or [ErrNotFound].
func (s *SQLite) Device(ctx context.Context, site, id string) (Device, error) {
	return one(query(ctx, s.read, scanBody[Device], `SELECT body FROM device WHERE site = ? AND id = ?`, site, id))
}

// Edges gives a site's edges by client, server, protocol and port.
func (s *SQLite) Edges(ctx context.Context, site string) ([]Edge, error) {
	return query(ctx, s.read, scanBody[Edge], `SELECT body FROM edge WHERE site = ?
		ORDER BY client, server, protocol, port, client_ip, server_ip`, site)
}

// scanBody reads a row whose only column is a record as JSON.
func scanBody[T any](scan func(...any) error) (record T, err error) {
	var body []byte
	if err := scan(&body); err != nil {
		return record, err
	}
	if err := json.Unmarshal(body, &record); err != nil {
		return record, fmt.Errorf("damaged record: %w", err)
	}
	return record, nil
}
