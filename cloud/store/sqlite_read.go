package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// conditions collects what a filter asks for.
type conditions struct {
	texts []string
	args  []any
}

// equal asks for a column's value; an empty value asks for nothing.
func (c *conditions) equal(column, value string) {
	if value != "" {
		c.add(column+" = ?", value)
	}
}

// contains asks for a text within a column of lower case; an empty one asks for nothing.
func (c *conditions) contains(column, text string) {
	if text = strings.ToLower(strings.TrimSpace(text)); text != "" {
		c.add("instr("+column+", ?) > 0", text)
	}
}

func (c *conditions) add(text string, args ...any) {
	c.texts = append(c.texts, text)
	c.args = append(c.args, args...)
}

func (c *conditions) where() string {
	if len(c.texts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.texts, " AND ")
}

// limit bounds a statement's rows; 0 does not.
func limit(n int) string {
	if n <= 0 {
		return ""
	}
	return " LIMIT " + strconv.Itoa(n)
}

// query reads all rows of a statement.
func query[T any](ctx context.Context, db *sql.DB, read func(scan func(...any) error) (T, error), text string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		record, err := read(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		all = append(all, record)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return all, nil
}

// one gives the only record of a query, or [ErrNotFound].
func one[T any](all []T, err error) (T, error) {
	var zero T
	switch {
	case err != nil:
		return zero, err
	case len(all) == 0:
		return zero, ErrNotFound
	}
	return all[0], nil
}

// scanTimes reads a row in which some columns are times as the store writes them.
func scanTimes(scan func(...any) error, times []*time.Time, into ...any) error {
	texts := make([]string, len(times))
	for i := range texts {
		into = append(into, &texts[i])
	}
	if err := scan(into...); err != nil {
		return err
	}
	for i, text := range texts {
		t, err := ParseTime(text)
		if err != nil {
			return fmt.Errorf("damaged record: %w", err)
		}
		*times[i] = t
	}
	return nil
}

// Sites gives the sites by name.
func (s *SQLite) Sites(ctx context.Context) ([]Site, error) {
	return query(ctx, s.read, func(scan func(...any) error) (x Site, err error) {
		return x, scanTimes(scan, []*time.Time{&x.Created}, &x.Name, &x.Location, &x.Description, &x.Devices, &x.Sensors)
	}, `SELECT name, location, description, (SELECT count(*) FROM device WHERE site = s.name),
		(SELECT count(*) FROM sensor WHERE site = s.name), created FROM site AS s ORDER BY name`)
}

// Sensors gives a site's sensors by name; of all sites when site is empty.
func (s *SQLite) Sensors(ctx context.Context, site string) ([]Sensor, error) {
	var c conditions
	c.equal("site", site)
	return query(ctx, s.read, func(scan func(...any) error) (x Sensor, err error) {
		return x, scanTimes(scan, []*time.Time{&x.LastSeen}, &x.Site, &x.Name, &x.Version, &x.Dropped)
	}, `SELECT site, name, version, dropped, last_seen FROM sensor`+c.where()+` ORDER BY site, name`, c.args...)
}

const alertColumns = `SELECT body, incident, received FROM alert`

func scanAlert(scan func(...any) error) (Alert, error) {
	var incident int64
	var received time.Time
	a, err := scanBody[Alert](func(into ...any) error {
		return scanTimes(scan, []*time.Time{&received}, append(into, &incident)...)
	})
	a.Incident, a.Received = incident, received
	return a, err
}

// Alerts gives the alerts, newest first.
func (s *SQLite) Alerts(ctx context.Context, f AlertFilter) ([]Alert, error) {
	var c conditions
	c.equal("site", f.Site)
	c.equal("severity", f.Severity)
	c.equal("level", f.Level)
	c.equal("rule", f.Rule)
	if f.Device != "" {
		c.add("(actor = ? OR target = ?)", f.Device, f.Device)
	}
	if f.Incident != 0 {
		c.add("incident = ?", f.Incident)
	}
	if f.Unassigned {
		c.add("incident = 0")
	}
	return query(ctx, s.read, scanAlert, alertColumns+c.where()+` ORDER BY time DESC, site, id`+limit(f.Limit), c.args...)
}

// Alert gives one alert, or [ErrNotFound].
func (s *SQLite) Alert(ctx context.Context, site, id string) (Alert, error) {
	return one(query(ctx, s.read, scanAlert, alertColumns+` WHERE site = ? AND id = ?`, site, id))
}

func scanIncident(scan func(...any) error) (Incident, error) {
	var id int64
	i, err := scanBody[Incident](func(into ...any) error { return scan(append(into, &id)...) })
	i.ID = id
	return i, err
}

// Incidents gives the incidents that stand for themselves, the one with the latest alert first.
func (s *SQLite) Incidents(ctx context.Context, f IncidentFilter) ([]Incident, error) {
	var c conditions
	c.equal("site", f.Site)
	c.equal("severity", f.Severity)
	c.equal("status", f.Status)
	c.equal("product", f.Product)
	c.contains("search", f.Search)
	c.add("json_extract(body, '$.merged_into') IS NULL")
	return query(ctx, s.read, scanIncident, `SELECT body, id FROM incident`+c.where()+` ORDER BY last_seen DESC, id DESC`+
		limit(f.Limit), c.args...)
}

// Incident gives one incident, or [ErrNotFound].
func (s *SQLite) Incident(ctx context.Context, id int64) (Incident, error) {
	return one(query(ctx, s.read, scanIncident, `SELECT body, id FROM incident WHERE id = ?`, id))
}

// SaveIncident stores an incident and marks its alerts; alerts that it had before and has no longer are free again.
// ID 0 makes a new one; an ID that is not there gives [ErrNotFound].
func (s *SQLite) SaveIncident(ctx context.Context, i Incident) (int64, error) {
	if i.Site == "" {
		return 0, errors.New("store: an incident needs a site")
	}
	id := i.ID
	err := s.change(ctx, func(ctx context.Context, tx *transaction) (err error) {
		if id, err = tx.saveIncident(ctx, i); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, `UPDATE alert SET incident = 0 WHERE site = ? AND incident = ?`, i.Site, id); err != nil {
			return err
		}
		for _, alert := range i.Alerts {
			if _, err := tx.exec(ctx, `UPDATE alert SET incident = ? WHERE site = ? AND id = ?`, id, i.Site, alert); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

func (t *transaction) saveIncident(ctx context.Context, i Incident) (int64, error) {
	body, err := marshal(i)
	if err != nil {
		return 0, err
	}
	values := []any{
		i.Site, i.Product, i.Severity, i.Status, FormatTime(i.FirstSeen), FormatTime(i.LastSeen),
		searchable(slices.Concat([]string{i.Title, i.Summary}, i.Devices, i.Alerts)...), body,
	}
	if i.ID == 0 {
		r, err := t.exec(ctx, `INSERT INTO incident (site, product, severity, status, first_seen, last_seen, search, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, values...)
		if err != nil {
			return 0, err
		}
		return r.LastInsertId()
	}
	r, err := t.exec(ctx, `UPDATE incident SET site = ?, product = ?, severity = ?, status = ?, first_seen = ?, last_seen = ?,
		search = ?, body = ? WHERE id = ?`, append(values, i.ID)...)
	if err != nil {
		return 0, err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return 0, errors.Join(err, ErrNotFound)
	}
	return i.ID, nil
}
