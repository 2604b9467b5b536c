package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var requests = map[string]string{"req": "client", "resp": "server"}

func modbusAsks(w *row) string { return requests[w.text("dir")] }

// modbusTable is everything on Modbus, function 90 included.
func modbusTable() *table {
	return &table{
		name: "modbus", protocol: "modbus",
		asks:     modbusAsks,
		function: numeric("func", "func"),
		fields: []field{
			{"transport", "transport", translated("transport", map[string]string{"mbtcp": "tcp", "mbudp": "udp", "mbrtu": "rtu-over-tcp"}), key("transport"), nil},
			numeric("trans_id", "trans_id"),
			numeric("unit_id", "unit_id"),
			{"exception", "exception", func(w *row) string { return flag01(w.text("exception")) }, func(r *record) string {
				return flag01(strconv.FormatBool(r.text("exception") != ""))
			}, nil},
			numeric("exc_code", "exception"),
			where(numeric("ref", "ref"), unlessRepeated("ref")),
			where(numeric("qty", "qty"), unlessRepeated("qty")),
			numeric("byte_cnt", "byte_cnt"),
			where(numeric("read_ref", "read_ref"), unlessRepeated("read_ref")),
			where(numeric("read_qty", "read_qty"), unlessRepeated("read_qty")),
			where(numeric("write_ref", "write_ref"), unlessRepeated("write_ref")),
			where(numeric("write_qty", "write_qty"), unlessRepeated("write_qty")),
			numeric("and_mask", "and_mask"),
			numeric("or_mask", "or_mask"),
			numeric("diag_sf", "diag_sf"),
			numeric("mei", "mei"),
			numeric("read_dev_id", "read_dev_id"),
			{"objects", "objects", cell("objects"), modbusObjects, nil},
			{"reg_values", "registers", cell("reg_values"), modbusValues("registers"), nil},
			{"bit_values", "bits", cell("bit_values"), modbusValues("bits"), func(w *row, _ *record) bool { return w.text("func") != "5" }},
			{"data", "bits", singleCoil, keys("bits"), func(w *row, _ *record) bool { return w.text("func") == "5" }},
			numeric("request_frame", "request_frame"),
			malformed,
		},
		without: []column{
			{"len, prot_id", "they frame the message; a record has no key for them, and a wrong one makes it malformed"},
			{"data, but of function 5", "what the reference leaves undecoded"},
		},
	}
}

// unlessRepeated leaves out what an answer of ours has from its request and the reference does not show.
func unlessRepeated(column string) func(*row, *record) bool {
	return func(w *row, r *record) bool { return w.text(column) != "" || r.text("from_request") == "" }
}

// singleCoil reads the value of function 5, which the reference gives as bytes.
func singleCoil(w *row) string {
	switch value := w.text("data"); value {
	case "ff00":
		return "1"
	case "0000":
		return "0"
	default:
		return value
	}
}

// maxShown is how many values of a message the reference's tables list.
const maxShown = 32

// modbusValues spells values with their addresses, as the reference does: "address=value".
func modbusValues(name string) func(*record) string {
	return func(r *record) string {
		list := r.list(name)
		ref, _ := strconv.Atoi(firstOf(r.text("write_ref"), r.text("read_ref"), r.text("ref")))
		if r.text("func") == "23" && r.From == "server" {
			ref, _ = strconv.Atoi(r.text("read_ref"))
		}
		words := make([]string, 0, maxShown)
		for i, v := range list[:min(len(list), maxShown)] {
			words = append(words, fmt.Sprintf("%d=%v", ref+i, v))
		}
		if len(list) > maxShown {
			words = append(words, "...")
		}
		return strings.Join(words, ",")
	}
}

func firstOf(texts ...string) string {
	i := slices.IndexFunc(texts, func(s string) bool { return s != "" })
	if i < 0 {
		return ""
	}
	return texts[i]
}

// modbusObjects spells the objects of a device identification: of an answer "id=text;…", of a request the one asked for.
func modbusObjects(r *record) string {
	if r.From == "client" {
		if r.text("read_dev_id") == "" {
			return ""
		}
		return firstOf(r.Object.First.String(), "0")
	}
	objects, _ := r.Detail["objects"].(map[string]any)
	ids := make([]int, 0, len(objects))
	for id := range objects {
		n, _ := strconv.Atoi(id)
		ids = append(ids, n)
	}
	slices.Sort(ids)
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = fmt.Sprintf("%d=%v", id, objects[strconv.Itoa(id)])
	}
	return strings.Join(words, ";")
}

// umasTable is function 90 once more: what is inside.
func umasTable() *table {
	return &table{
		name: "umas", protocol: "modbus",
		about:    "Made by a script from the bytes of function 90: the reference itself does not dissect UMAS.",
		counts:   func(r *record) bool { return r.Detail["func"] == json.Number("90") },
		asks:     modbusAsks,
		function: numeric("umas_func", "umas_func"),
		fields: []field{
			numeric("unit_id", "unit_id"),
			numeric("pairing_key", "pairing_key"),
			plain("status", "status"),
			numeric("request_frame", "request_frame"),
		},
		without: []column{{"len, data", "the bytes behind the function; a record tells what they mean"}},
	}
}
