package main

import (
	"fmt"
	"strings"
	"testing"
)

func rowWith(cells map[string]string) *row {
	w := &row{columns: map[string]int{}}
	for name, v := range cells {
		w.columns[name] = len(w.cells)
		w.cells = append(w.cells, v)
	}
	return w
}

// Both sides of a field come to one spelling.
func TestSpellings(t *testing.T) {
	modbus, s7, opcua := modbusTable().fields, s7Table().fields, opcuaTable().fields
	for name, x := range map[string]struct {
		fields []field
		column string
		cell   string
		record string
		want   string
	}{
		"hexadecimal":      {modbus, "and_mask", "0xf0f0", `{"detail":{"and_mask":61680}}`, "61680"},
		"zero":             {modbus, "ref", "0", `{"detail":{"ref":0}}`, "0"},
		"transport":        {modbus, "transport", "mbrtu", `{"detail":{"transport":"rtu-over-tcp"}}`, "rtu-over-tcp"},
		"no exception":     {modbus, "exception", "0", `{"detail":{}}`, ""},
		"an exception":     {modbus, "exception", "1", `{"detail":{"exception":2}}`, "1"},
		"registers":        {modbus, "reg_values", "7=1,8=65535", `{"detail":{"ref":7,"registers":[1,65535]}}`, "7=1,8=65535"},
		"bits":             {modbus, "bit_values", "0=1,1=0", `{"detail":{"bits":[1,0]}}`, "0=1,1=0"},
		"a coil set":       {modbus, "data", "ff00", `{"detail":{"func":5,"bits":[1]}}`, "1"},
		"a coil reset":     {modbus, "data", "0000", `{"detail":{"func":5,"bits":[0]}}`, "0"},
		"object asked for": {modbus, "objects", "0", `{"from":"client","object":{},"detail":{"read_dev_id":1}}`, "0"},
		"objects":          {modbus, "objects", "0=A;2=B;10=C", `{"from":"server","detail":{"objects":{"10":"C","0":"A","2":"B"}}}`, "0=A;2=B;10=C"},
		"malformed":        {modbus, "malformed", "1", `{"malformed":true}`, "1"},
		"well formed":      {modbus, "malformed", "0", `{"malformed":false}`, ""},

		"variables":       {s7, "items", "(DB 1.DBX 2.0 BYTE 4) | (M 0.3 BIT 1)", `{"detail":{"items":[{"area":"DB","db":1,"start":2,"bit":0,"type":"BYTE","count":4},{"area":"M","start":0,"bit":3,"type":"BIT","count":1}]}}`, "DB 1.DBX 2.0 BYTE 4 | M 0.3 BIT 1"},
		"watched ones":    {s7, "items", "Address to read: (M0.0 BYTE 6) | Address to read: (I8.1)", `{"detail":{"items":[{"area":"M","start":0,"bit":0,"type":"BYTE","count":6},{"area":"I","start":8,"bit":1,"type":"BIT","count":1}]}}`, "M 0.0 BYTE 6 | I 8.1 BIT 1"},
		"timers":          {s7, "items", "(T 0) | (C 3)", `{"detail":{"items":[{"area":"T","start":0,"bit":0,"type":"TIMER","count":1},{"area":"C","start":3,"bit":0,"type":"COUNTER","count":1}]}}`, "T 0 | C 3"},
		"return codes":    {s7, "return_codes", "0xff,0x0a", `{"detail":{"return_codes":[255,10]}}`, "255,10"},
		"block":           {s7, "block_types", "0A", `{"detail":{"block_type":"DB"}}`, "DB"},
		"block number":    {s7, "block_nums", "00000", `{"detail":{"block_number":0}}`, "0"},
		"argument":        {s7, "pi_args", "parameterblock_len=2;parameterblock=;argument=C ;string_len=9", `{"detail":{"pi_args":"C"}}`, "C"},
		"items asked for": {s7, "item_count", "1", `{"detail":{"rosctr":1,"items":[{}]}}`, "1"},
		"items answered":  {s7, "item_count", "2", `{"detail":{"rosctr":3,"items":[{}],"return_codes":[255,255]}}`, "2"},

		"status":     {opcua, "service_result", "0x80790000", `{"detail":{"service_result":"BadNoSubscription"}}`, "BadNoSubscription"},
		"first URL":  {opcua, "endpoint_url", "opc.tcp://a;opc.tcp://b", `{"detail":{"endpoint_url":"opc.tcp://a"}}`, "opc.tcp://a"},
		"policy":     {opcua, "policy_uri", "http://opcfoundation.org/UA/SecurityPolicy#None", `{"detail":{"security_policy":"None"}}`, "None"},
		"encryption": {opcua, "suspect_encrypted", "1", `{"detail":{"encrypted":true}}`, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range x.fields {
				if f.column != x.column {
					continue
				}
				if got := f.want(rowWith(map[string]string{x.column: x.cell})); got != x.want {
					t.Errorf("the reference's %q is %q, want %q", x.cell, got, x.want)
				}
				if got := f.got(recordsOf(t, x.record)[0]); got != x.want {
					t.Errorf("ours is %q, want %q", got, x.want)
				}
				return
			}
			t.Fatalf("no column %s", x.column)
		})
	}
}

// The reference's tables list 32 values of a message; so does the comparison, and says when there are more.
func TestLongListsAreCut(t *testing.T) {
	values := modbusValues("registers")
	list := func(n int) *record {
		return recordsOf(t, `{"detail":{"ref":0,"registers":[`+strings.TrimSuffix(strings.Repeat("0,", n), ",")+`]}}`)[0]
	}
	if got := values(list(32)); !strings.HasSuffix(got, ",31=0") {
		t.Errorf("32 values: %s", got)
	}
	if got := values(list(33)); !strings.HasSuffix(got, ",31=0,...") {
		t.Errorf("33 values: %s", got)
	}
}

// A message stands where its last PDU is, per sender and conversation; a fragment that belongs to nothing stays.
func TestFragmentsAreFolded(t *testing.T) {
	rows := rowsOf(t, `
frame pdu time stream src sport kind func
1 0 1.0 t0 a 1 fragment -
2 0 2.0 t0 b 2 pdu 0x04ca
3 0 3.0 t0 a 1 pdu 0x0586
4 0 4.0 t1 b 2 pdu 0x04bb
5 1 5.0 t0 b 2 fragment -
6 0 6.0 t0 b 2 fragment -
7 0 7.0 t0 b 2 pdu 0x0524
`)
	messages, parts := foldFragments(rows)
	var got []string
	for _, w := range messages {
		got = append(got, fmt.Sprintf("%d.%d %s at %s", w.frame, w.pdu, w.text("func"), w.text("time")))
	}
	want := "1.0  at 1.0|6.0 0x04ca at 6.0|3.0 0x0586 at 3.0|4.0 0x04bb at 4.0|7.0 0x0524 at 7.0"
	if strings.Join(got, "|") != want || parts != 2 {
		t.Errorf("%d parts, %s\nwant 2, %s", parts, strings.Join(got, "|"), want)
	}
}

func TestChunksAreFolded(t *testing.T) {
	messages, parts := foldChunks(rowsOf(t, "frame pdu chunk\n1 0 C\n1 1 C\n2 0 F\n3 0 A"))
	if parts != 2 || len(messages) != 2 || messages[0].frame != 2 || messages[1].frame != 3 {
		t.Errorf("%d parts, %d messages", parts, len(messages))
	}
}

// Registers are explained as left undecoded only when the reference shows the very bytes.
func TestUndecodedRegisters(t *testing.T) {
	for data, want := range map[string]bool{"00ff0102": true, "00ff01020304": true, "00ff0103": false, "00ff": false, "": false, "zz": false} {
		d := disagreement{row: rowWith(map[string]string{"data": data}), record: recordsOf(t, `{"detail":{"registers":[255,258]}}`)[0], got: "0=255,1=258"}
		if got := undecoded(d); got != want {
			t.Errorf("data %q: %v, want %v", data, got, want)
		}
	}
}
