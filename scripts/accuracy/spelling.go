package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// One spelling for both sides: numbers are decimal, lists are joined by commas.

// decimal spells a number, however it is written; other text stays as it is.
func decimal(s string) string {
	if n, err := strconv.ParseUint(s, 0, 64); err == nil {
		return strconv.FormatUint(n, 10)
	}
	return s
}

// flag01 spells what is either so or not: as nothing when it is not, so that two sides that say no are not compared.
func flag01(s string) string {
	switch s {
	case "1", "true", "True":
		return "1"
	default:
		return ""
	}
}

// epoch spells a time as the reference does, in seconds with nine decimals.
func epoch(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

// cell and number read a column; element the first of the several values in one.
func cell(name string) func(*row) string { return func(w *row) string { return w.text(name) } }

func number(name string) func(*row) string {
	return func(w *row) string { return decimal(w.text(name)) }
}

func element(name string) func(*row) string {
	return func(w *row) string {
		first, _, _ := strings.Cut(w.text(name), ";")
		return first
	}
}

// numbers reads a column of several numbers.
func numbers(name string) func(*row) string {
	return func(w *row) string {
		list := strings.FieldsFunc(w.text(name), func(r rune) bool { return r == ',' || r == ';' })
		for i := range list {
			list[i] = decimal(list[i])
		}
		return strings.Join(list, ",")
	}
}

// key and keys read a scalar and a list of the detail.
func key(name string) func(*record) string { return func(r *record) string { return r.text(name) } }

func keys(name string) func(*record) string {
	return func(r *record) string { return joined(r.list(name)) }
}

func joined(list []any) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ",")
}

// translated reads a column whose values have other names in our records.
func translated(name string, names map[string]string) func(*row) string {
	return func(w *row) string {
		v := w.text(name)
		if ours, ok := names[v]; ok {
			return ours
		}
		return v
	}
}

// malformed is the one field that all tables have.
var malformed = field{
	column: "malformed", key: "malformed",
	want: func(w *row) string { return flag01(w.text("malformed")) },
	got:  func(r *record) string { return flag01(strconv.FormatBool(r.Malformed)) },
}

// plain is a column whose text is the key's.
func plain(column, name string) field {
	return field{column: column, key: name, want: cell(column), got: key(name)}
}

// numeric is a column whose number is the key's.
func numeric(column, name string) field {
	return field{column: column, key: name, want: number(column), got: key(name)}
}

// where narrows a field to the messages in which the column and the key mean the same.
func where(f field, applies func(*row, *record) bool) field {
	f.applies = applies
	return f
}
