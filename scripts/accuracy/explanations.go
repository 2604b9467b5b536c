package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// explanation is a pattern of disagreements that are understood: the bytes of an example were looked at.
type explanation struct {
	table  string
	fields []string
	when   func(disagreement) bool
	reason string
}

// Reasons that several tables share.
const (
	coalesced   = "The segment repeats bytes and brings new ones behind them; the reference takes all of it for a retransmission."
	unknownCode = "A function code outside the specification (`0000 0000 0006 01 1d 0000 0000`, an answer `0001 0000 0005 0a 2a 0e 04 01 01`): the reference leaves some of them out."
	ackFirst    = "The acknowledgement was captured before the segment, which is seen for the first time; the reference takes it for a retransmission."
)

// explanations are tried in their order; the first that fits counts.
func explanations() []explanation {
	return slices.Concat(modbusExplanations, s7Explanations, otherExplanations)
}

var modbusExplanations = []explanation{
	{"modbus", []string{"request_frame"}, refused, "The reference pairs no exception with its request."},
	{"umas", []string{"request_frame"}, refused, "The reference pairs no exception with its request."},
	{"modbus", []string{onlyOurs}, at("mixed/ITI.ModbusTCP-mb2.afe60d.pcap.gz", 1131, 3674, 13176), coalesced},
	{"modbus", []string{"request_frame", "reg_values"}, at("mixed/ITI.ModbusTCP-mb2.afe60d.pcap.gz", 3008), "The request, in frame 1131, is one that the reference left out: without it, its addresses count from 0."},
	{"modbus", []string{onlyOurs}, at("mixed/bro.modbusBig.36c374.pcap.gz", 3150), ackFirst},
	{"modbus", []string{onlyOurs}, paddedException, "An exception with a byte behind its code (`0001 0000 0004 0a 81 06 00`): the reference does not take it for Modbus."},
	{"modbus", []string{onlyOurs}, at("modbus/bro.modbus-fuzz-72.9c10fe.pcap.gz", 3, 5, 7, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 24, 26, 27, 28, 29, 31, 32, 33, 36), unknownCode},
	{"modbus", []string{onlyOurs}, at("modbus/arkime.pcap-modbus.8cc298.pcap.gz", 111), unknownCode},
	{"modbus", []string{onlyOurs}, at("modbus/digitalbond.modbus_test_data_part1.94942b.pcap.gz", 111), unknownCode},
	{"modbus", []string{onlyOurs}, at("mixed/arkime.arkime_synthetic.2d7015.pcap.gz", 873, 874), "The first SYN of the connection comes from port 502. Both messages are whole (`0201 0000 0003 01 83 02`, `0202 0000 0006 01 04 0010 0002`); the reference leaves them out."},
	{"modbus", []string{onlyOurs, "func", "trans_id", "byte_cnt", "reg_values"}, at("mixed/arkime.arkime_synthetic.2d7015.pcap.gz", 866), "Two messages; the first is an exception without its code (`0101 0000 0002 01 81`). The reference leaves it out, so that its index 0 is our index 1."},
	{"modbus", []string{"request_frame", "reg_values"}, at("modbus/ITI.modbus_test.7a9aca.pcap.gz", 70, 71), "Three requests on their way have transaction 504. The answer repeats the address (`01f8 0000 0006 07 06 0004 09c4`), which tells whose it is; the reference takes the last one."},
	{"modbus", []string{"malformed"}, reasonBegins("bytes after the end", "quantity out of range", "byte count out of range", "function code is not valid", "message ends within its fields"), "The reference marks what it cannot read. Ours is also what the specification forbids: a quantity of 0, bytes behind the last field, a missing mask."},
	{"modbus", []string{"byte_cnt"}, function("17"), "The reference leaves the answer to Report Server ID undecoded: the byte count is the first byte of its data."},
	{"modbus", []string{"reg_values"}, undecoded, "The reference leaves these registers undecoded: its data begins with the same bytes."},
	{"modbus", []string{"bit_values"}, function("7"), "The reference leaves the eight outputs of Read Exception Status undecoded."},
}

var s7Explanations = []explanation{
	{"s7comm", []string{onlyOurs}, at("s7comm/ITI.s7comm_clean.0998a2.pcap.gz", 398, 412, 1273, 1456, 1611, 1746, 2002, 2296, 2859, 3654, 4060), ackFirst},
	{"s7comm", []string{"szl_id", "szl_index"}, part, "A list in several parts: the reference shows its number with the last part, we with each."},
	{"s7comm", []string{"szl_id", "szl_index"}, refusedUserdata, "A refused answer does not name the list; our record repeats it from the request."},
	{"s7comm", []string{"pi_args"}, func(d disagreement) bool { return d.row.text("filename") == d.got }, "The argument of the service is a block; the reference shows it as filename only, we as both."},
	{"s7comm", []string{"ud_type", "ud_group", "ud_subfunc"}, at("s7comm/ITI.step7_s300_stop.c761c5.pcap.gz", 4), "A mode transition, whose parameter has a form of its own (`0100 1010 0000 0000`); the reference leaves it undecoded."},
	{"s7comm", []string{direction}, at("s7comm/arkime.s7comm_synthetic.0f3b94.pcap.gz", 36), "Made for a test: the controller on port 102 answers frame 35 with the type of a request (`32 07 0000 0000 0008 0008 00 0112 0411 44 01 0a00`, type 4 and not 8). Our `from` is the end of the connection, which stays the server."},
	{"s7comm", []string{"func"}, at("s7comm/arkime.s7comm_synthetic.0f3b94.pcap.gz", 19), "An acknowledgement that names its function (parameter `05`); the reference does not read the parameter of ROSCTR 2."},
	{"s7comm", []string{"item_count", "return_codes"}, at("s7comm/arkime.s7comm_synthetic.0f3b94.pcap.gz", 9, 18), "The parameter ends before its item count; the reference takes the next byte, which is the data's first. Both call the message malformed."},
}

var otherExplanations = []explanation{
	{"s7commplus", []string{"kind"}, func(d disagreement) bool { return d.want == "fragment" && d.record.Malformed }, "The length says 10, 6 bytes are there (`72 01 000a 0031 0000 0000`): for the reference a fragment, for us a malformed message."},
	{"s7commplus", []string{onlyReference}, at("s7comm/arkime.s7comm_synthetic.0f3b94.pcap.gz", 25, 27), "Made for a test: PDUs without the trailer that ends a message (`72 03 000a 04aabbccdd 31 00000000`, ten bytes and nothing behind them). What never ends is no message of ours."},
	{"opcua", []string{"malformed"}, at("opcua/ITI.opc-ua-ap-method-wireshark-freeze.2a7bc1.pcap.gz", 84), "A node id of unknown form (`07 ff 7f`), then an array of 32767 elements in a message of 110 bytes: the reference stops there with a note, we call it malformed."},
}

// at fits the messages of the given frames of one capture.
func at(capture string, frames ...uint64) func(disagreement) bool {
	return func(d disagreement) bool {
		return d.capture == capture && slices.Contains(frames, d.place().frame)
	}
}

func refused(d disagreement) bool { return d.want == "" && d.record.text("exception") != "" }

func paddedException(d disagreement) bool {
	return d.record.text("exception") != "" && d.record.Reason == "bytes after the end of the message: 1"
}

func reasonBegins(prefixes ...string) func(disagreement) bool {
	return func(d disagreement) bool {
		return d.want == "" && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(d.record.Reason, p) })
	}
}

func function(code string) func(disagreement) bool {
	return func(d disagreement) bool { return d.want == "" && d.row.text("func") == code }
}

// undecoded fits registers whose bytes the reference shows as they are.
func undecoded(d disagreement) bool {
	data, err := hex.DecodeString(d.row.text("data"))
	registers := d.record.list("registers")
	if d.want != "" || err != nil || len(registers) == 0 || len(data) < 2*min(len(registers), maxShown) {
		return false
	}
	for i, v := range registers[:min(len(registers), maxShown)] {
		n, err := strconv.ParseUint(fmt.Sprint(v), 10, 16)
		if err != nil || data[2*i] != byte(n>>8) || data[2*i+1] != byte(n) {
			return false
		}
	}
	return true
}

// part fits the answers that further parts follow.
func part(d disagreement) bool { return d.want == "" && d.row.text("ud_last") == "0x01" }

func refusedUserdata(d disagreement) bool {
	return d.want == "" && d.row.text("ud_type") == "resp" && decimal(d.row.text("param_errcod")) != "0"
}
