package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Apply commits a batch: all of it or nothing. A batch whose position is stored already changes nothing.
func (s *SQLite) Apply(ctx context.Context, b Batch) error {
	if b.Site == "" || b.Sensor == "" {
		return errors.New("store: a batch needs a site and a sensor")
	}
	if b.Position.Sequence > math.MaxInt64 {
		return fmt.Errorf("store: sequence %d is out of range", b.Position.Sequence)
	}
	queue := s.routine
	if b.Position.Lane == LaneAlert {
		queue = s.urgent
	}
	return s.submit(queue, writeRequest{
		ctx:     ctx,
		change:  func(ctx context.Context, tx *transaction) error { return apply(ctx, tx, b) },
		records: 1 + len(b.Devices) + len(b.Edges) + len(b.Alerts) + len(b.Coverage),
		answer:  make(chan error, 1),
	})
}

func apply(ctx context.Context, tx *transaction, b Batch) error {
	if err := tx.addSite(ctx, Site{Name: b.Site, Created: b.Received}); err != nil {
		return err
	}
	var dropped uint64
	known, err := tx.known(ctx, b)
	if err != nil {
		return err
	}
	if !known {
		for _, g := range b.Gaps {
			dropped += g.Dropped
		}
	}
	if _, err := tx.exec(ctx, `INSERT INTO sensor (site, name, version, last_seen, dropped) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET last_seen = max(last_seen, excluded.last_seen), dropped = dropped + excluded.dropped,
		version = iif(excluded.version = '', version, excluded.version)`,
		b.Site, b.Sensor, b.Version, FormatTime(b.Received), integer(dropped)); err != nil {
		return err
	}
	if known {
		return nil
	}
	for _, step := range []func(context.Context, Batch) error{
		tx.applyPosition, tx.applyDevices, tx.applyEdges, tx.applyAlerts, tx.applyCoverage,
	} {
		if err := step(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// known reports whether the batch is stored already. A batch without a position is not from a spool, and never is.
func (t *transaction) known(ctx context.Context, b Batch) (bool, error) {
	if b.Position.Sequence == 0 {
		return false, nil
	}
	var stored int64
	found, err := t.row(ctx, `SELECT sequence FROM position WHERE site = ? AND sensor = ? AND epoch = ? AND lane = ?`,
		[]any{b.Site, b.Sensor, b.Position.Epoch, b.Position.Lane}, &stored)
	return found && uint64(stored) >= b.Position.Sequence, err
}

func (t *transaction) applyPosition(ctx context.Context, b Batch) error {
	if b.Position.Sequence == 0 {
		return nil
	}
	_, err := t.exec(ctx, `INSERT INTO position (site, sensor, epoch, lane, sequence) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET sequence = excluded.sequence`,
		b.Site, b.Sensor, b.Position.Epoch, b.Position.Lane, integer(b.Position.Sequence))
	return err
}

func (t *transaction) applyEdges(ctx context.Context, b Batch) error {
	for _, e := range b.Edges {
		e.Site = b.Site
		body, err := marshal(e)
		if err != nil {
			return err
		}
		// Two sensors may see the same edge; what was seen last stands.
		if _, err := t.exec(ctx, `INSERT INTO edge
			(site, client, server, protocol, port, client_ip, server_ip, last_seen, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET last_seen = excluded.last_seen, body = excluded.body
			WHERE excluded.last_seen >= last_seen`,
			e.Site, e.Client, e.Server, e.Protocol, e.Port, e.ClientIP, e.ServerIP, FormatTime(e.LastSeen), body); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) applyAlerts(ctx context.Context, b Batch) error {
	for _, a := range b.Alerts {
		a.Site, a.Sensor, a.Received, a.Incident = b.Site, b.Sensor, time.Time{}, 0
		body, err := marshal(a)
		if err != nil {
			return err
		}
		techniques, err := marshal(a.Techniques)
		if err != nil {
			return err
		}
		// received and incident belong to the collector: an update of the alert leaves them alone.
		if _, err := t.exec(ctx, `INSERT INTO alert
			(site, id, revision, rule, title, severity, level, time, last_time, actor, target, actor_ip, target_ip,
			 protocol, techniques, count, received, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET revision = excluded.revision, rule = excluded.rule, title = excluded.title,
			severity = excluded.severity, level = excluded.level, time = excluded.time, last_time = excluded.last_time,
			actor = excluded.actor, target = excluded.target, actor_ip = excluded.actor_ip,
			target_ip = excluded.target_ip, protocol = excluded.protocol, techniques = excluded.techniques,
			count = excluded.count, body = excluded.body
			WHERE excluded.revision > revision`,
			a.Site, a.ID, integer(a.Revision), a.Rule, a.Title, a.Severity, a.Level, FormatTime(a.Time),
			FormatTime(a.LastTime), a.Actor, a.Target, a.ActorIP, a.TargetIP, a.Protocol, techniques, integer(a.Count),
			FormatTime(b.Received), body); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) applyCoverage(ctx context.Context, b Batch) error {
	for _, c := range b.Coverage {
		body, err := marshal(c)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO coverage
			(site, sensor, client_ip, server_ip, port, protocol, total, received, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET received = excluded.received, body = excluded.body`,
			b.Site, b.Sensor, c.ClientIP, c.ServerIP, c.Port, c.Protocol, c.Total, FormatTime(b.Received), body); err != nil {
			return err
		}
	}
	return nil
}

// Positions gives what is stored of a sensor's epoch.
func (s *SQLite) Positions(ctx context.Context, site, sensor, epoch string) ([]Position, error) {
	return query(ctx, s.read, func(scan func(...any) error) (p Position, err error) {
		p.Epoch = epoch
		return p, scan(&p.Lane, &p.Sequence)
	}, `SELECT lane, sequence FROM position WHERE site = ? AND sensor = ? AND epoch = ? ORDER BY lane`, site, sensor, epoch)
}

// AddSite makes a site, or gives an existing one the location and description that are not empty.
func (s *SQLite) AddSite(ctx context.Context, site Site) error {
	if site.Name == "" {
		return errors.New("store: a site needs a name")
	}
	return s.change(ctx, func(ctx context.Context, tx *transaction) error { return tx.addSite(ctx, site) })
}

func (t *transaction) addSite(ctx context.Context, s Site) error {
	_, err := t.exec(ctx, `INSERT INTO site (name, location, description, created) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET location = iif(excluded.location = '', location, excluded.location),
		description = iif(excluded.description = '', description, excluded.description)`,
		s.Name, s.Location, s.Description, FormatTime(s.Created))
	return err
}

// marshal writes a record for a column that holds JSON.
func marshal(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("store: %w", err)
	}
	return string(b), nil
}

// integer gives the nearest value that a column can hold; no honest counter comes near the bound.
func integer(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
