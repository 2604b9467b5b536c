package main

import (
	"fmt"
	"regexp"
	"strings"
)

// tables are all comparisons, in the order of the report.
func tables() []*table {
	return []*table{modbusTable(), umasTable(), s7Table(), s7PlusTable(), opcuaTable()}
}

func s7Table() *table {
	return &table{
		name: "s7comm", protocol: "s7comm",
		asks:     s7Asks,
		function: numeric("func", "func"),
		fields: []field{
			numeric("rosctr", "rosctr"),
			numeric("pduref", "pduref"),
			numeric("errcls", "errcls"),
			numeric("errcod", "errcod"),
			plain("ud_type", "ud_type"),
			numeric("ud_group", "ud_group"),
			numeric("ud_subfunc", "ud_subfunc"),
			numeric("szl_id", "szl_id"),
			numeric("szl_index", "szl_index"),
			where(field{column: "block_types", key: "block_type", want: translated("block_types", blockTypes), got: key("block_type")}, asked),
			where(field{column: "block_nums", key: "block_number", want: blockNumber, got: key("block_number")}, asked),
			plain("filename", "filename"),
			plain("pi_service", "pi_service"),
			{"pi_args", "pi_args", piArguments, key("pi_args"), nil},
			{"item_count", "items, return_codes", itemCount, ourItemCount, func(w *row, _ *record) bool { return w.text("rosctr") != "7" }},
			where(field{column: "items", key: "items", want: s7Items, got: ourItems}, asked),
			{"return_codes", "return_codes", numbers("return_codes"), keys("return_codes"), nil},
			numeric("max_pdu", "max_pdu"),
			malformed,
		},
		without: []column{
			{"parlg, datlg", "they frame the message; a wrong one makes it malformed"},
			{"rosctr_name, func_name, ud_group_name, ud_subfunc_name", "names of numbers that are compared"},
			{"ud_seq, ud_dataunitref, ud_last, param_errcod", "a record has the outcome instead"},
			{"block_types and block_nums of answers, szl_ident", "what an answer lists; the identity in it is in `facts`"},
			{"items of answers", "our answers repeat the items of their request, the reference's have none"},
			{"item_count of userdata", "always 1: the data unit itself"},
			{"dest_filesys", "the last letter of filename"},
			{"reassembled", "how many segments the message had"},
		},
	}
}

// asked limits a field to messages that ask.
func asked(w *row, _ *record) bool { return w.text("rosctr") == "1" || w.text("ud_type") == "req" }

// s7Asks tells who sends what. A download turns round: the controller asks for the blocks that the client announced.
func s7Asks(w *row) string {
	kind, fn := w.text("rosctr"), w.text("func")
	turned := fn == "0x1b" || fn == "0x1c"
	switch {
	case kind == "7" && w.text("ud_type") == "req":
		return "client"
	case kind == "7":
		return "server"
	case (kind == "1") != turned:
		return "client"
	default:
		return "server"
	}
}

// blockTypes are the kinds of block by the two digits that stand for them on the wire.
var blockTypes = map[string]string{
	"08": "OB", "0A": "DB", "0B": "SDB", "0C": "FC", "0D": "SFC", "0E": "FB", "0F": "SFB",
}

// blockNumber drops the zeros that fill a number up: "00001".
func blockNumber(w *row) string {
	v := w.text("block_nums")
	if v == "" {
		return ""
	}
	return firstOf(strings.TrimLeft(v, "0"), "0")
}

// piArguments takes the argument out of "parameterblock_len=2;parameterblock=;argument=EP;string_len=5". A service about a
// block has the block's name as its argument.
func piArguments(w *row) string {
	for part := range strings.SplitSeq(w.text("pi_args"), ";") {
		if v, ok := strings.CutPrefix(part, "argument="); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func itemCount(w *row) string { return decimal(w.text("item_count")) }

// ourItemCount counts what an answer says of items; in a request the items themselves.
func ourItemCount(r *record) string {
	n := len(r.list("items"))
	if r.text("rosctr") == "3" {
		n = len(r.list("return_codes"))
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// variable takes the reference's text of a variable apart: "(DB 1.DBX 0.0 BYTE 4)", "Address to read: (M0.0 BYTE 6)".
// Of the latter form a single bit has neither type nor count.
var (
	variable = regexp.MustCompile(`\(([A-Z]+) ?([^)]*)\)`)
	oneBit   = regexp.MustCompile(`^[A-Z]+ [0-9]+\.[0-9]$`)
)

// s7Items spells the reference's variables with single spaces.
func s7Items(w *row) string {
	var words []string
	for _, m := range variable.FindAllStringSubmatch(w.text("items"), -1) {
		v := m[1] + " " + m[2]
		if oneBit.MatchString(v) {
			v += " BIT 1"
		}
		words = append(words, v)
	}
	return strings.Join(words, " | ")
}

// ourItems spells our variables as the reference does: "DB 1.DBX 0.0 BYTE 4", "M 0.0 BYTE 1", "T 0".
func ourItems(r *record) string {
	list := r.list("items")
	words := make([]string, len(list))
	for i, v := range list {
		it, _ := v.(map[string]any)
		at := fmt.Sprintf("%v %v.%v", it["area"], it["start"], it["bit"])
		if it["area"] == "DB" || it["area"] == "DI" {
			at = fmt.Sprintf("%v %v.%vX %v.%v", it["area"], it["db"], it["area"], it["start"], it["bit"])
		}
		words[i] = fmt.Sprintf("%s %v %v", at, it["type"], it["count"])
		if it["area"] == "T" || it["area"] == "C" {
			words[i] = fmt.Sprintf("%v %v", it["area"], it["start"])
		}
	}
	return strings.Join(words, " | ")
}

func s7PlusTable() *table {
	return &table{
		name: "s7commplus", protocol: "s7comm-plus",
		about: "Made by a script from the bytes of the transport: the reference itself does not dissect S7comm-plus. " +
			"It has a row for each PDU of a message in several; our record stands where the last one is.",
		fold:     foldFragments,
		asks:     func(w *row) string { return plusSides[w.text("opcode")] },
		function: numeric("func", "func"),
		fields: []field{
			numeric("version", "version"),
			plain("kind", "kind"),
			numeric("opcode", "opcode"),
			numeric("seq", "seq"),
			numeric("session_id", "session_id"),
		},
		without: []column{
			{"length, digest_len, payload_len, source", "they frame the message"},
			{"opcode_name, func_name", "names of numbers that are compared"},
		},
	}
}

var plusSides = map[string]string{"0x31": "client", "0x32": "server", "0x02": "server", "0x33": "server"}

// foldFragments gives a message in several PDUs the place of its last one. The reference has a row for the first, with
// its fields, and one without for each of the others.
func foldFragments(rows []*row) (messages []*row, parts int) {
	last := make(map[string]*row) // by who sends on which conversation
	for _, w := range rows {
		by := w.text("stream") + " " + w.text("src") + " " + w.text("sport")
		if head := last[by]; head != nil && w.text("kind") == "fragment" {
			head.place, head.cells[head.columns["time"]] = w.place, w.text("time")
			parts++
			continue
		}
		last[by] = w
		messages = append(messages, w)
	}
	return messages, parts
}
