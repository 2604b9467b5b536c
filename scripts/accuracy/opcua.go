package main

import "strings"

func opcuaTable() *table {
	return &table{
		name: "opcua", protocol: "opcua",
		about:    "The reference has a row for each chunk; our record of a message in several stands where its last chunk is.",
		fold:     foldChunks,
		asks:     opcuaAsks,
		function: field{column: "service", key: "msg, service", want: opcuaFunction, got: ourOPCUAFunction},
		fields: []field{
			plain("msg", "msg"),
			plain("chunk", "chunk"),
			numeric("size", "size"),
			numeric("scid", "channel"),
			numeric("token_id", "token"),
			numeric("seq", "seq"),
			numeric("req_id", "request_id"),
			where(plain("sec_policy_stream", "security_policy"), func(w *row, _ *record) bool { return secured(w) }),
			{"suspect_encrypted", "encrypted", func(w *row) string { return flag01(w.text("suspect_encrypted")) }, func(r *record) string {
				return flag01(r.text("encrypted"))
			}, nil},
			numeric("service_id", "service_id"),
			{"endpoint_url", "endpoint_url", element("endpoint_url"), key("endpoint_url"), nil},
			{"policy_uri", "security_policy", policyName, key("security_policy"), opens},
			{"sec_mode", "security_mode", translated("sec_mode", modes), key("security_mode"), func(w *row, _ *record) bool { return w.text("msg") == "OPN" && w.text("sec_mode") != "" }},
			{"app_uri", "application_uri", element("app_uri"), key("application_uri"), nil},
			{"app_name", "application_name", element("app_name"), key("application_name"), nil},
			{"product_uri", "product_uri", element("product_uri"), key("product_uri"), nil},
			plain("session_name", "session_name"),
			{"service_result", "service_result", translated("service_result", statuses), key("service_result"), nil},
			{"error", "error", translated("error", statuses), key("error"), func(w *row, _ *record) bool { return w.text("msg") == "ERR" }},
			plain("reason", "reason"),
			malformed,
		},
		without: []column{
			{"version", "the version of the transport"},
			{"chunks_reassembled", "how many chunks the message had"},
			{"policy_uri and sec_mode, but of OPN", "what a server offers; ours are those of the channel, which an answer repeats"},
			{"further values of endpoint_url, app_uri, app_name, product_uri", "our records show the first one"},
		},
	}
}

// foldChunks drops the chunks that another one of the same message follows: a message is where its last chunk is.
func foldChunks(rows []*row) (messages []*row, parts int) {
	for _, w := range rows {
		if w.text("chunk") == "C" {
			parts++
			continue
		}
		messages = append(messages, w)
	}
	return messages, parts
}

var modes = map[string]string{"0x00000001": "none", "0x00000002": "sign", "0x00000003": "sign-and-encrypt"}

// statuses are the codes of the specification that occur in the tables (Part 6, annex A).
var statuses = map[string]string{
	"0x00000000": "Good", "0x80020000": "BadInternalError", "0x80070000": "BadDecodingError", "0x80790000": "BadNoSubscription",
}

func secured(w *row) bool {
	switch w.text("msg") {
	case "OPN", "MSG", "CLO":
		return true
	default:
		return false
	}
}

func opens(w *row, _ *record) bool { return w.text("msg") == "OPN" && w.text("policy_uri") != "" }

func policyName(w *row) string {
	_, name, _ := strings.Cut(w.text("policy_uri"), "#")
	return name
}

// opcuaAsks tells who sends what, where the message tells.
func opcuaAsks(w *row) string {
	switch service := w.text("service"); {
	case w.text("msg") == "HEL", strings.HasSuffix(service, "Request"):
		return "client"
	case w.text("msg") == "ACK", strings.HasSuffix(service, "Response"):
		return "server"
	default:
		return ""
	}
}

// opcuaFunction is the kind of the message and, where it can be read, its service.
func opcuaFunction(w *row) string { return strings.TrimSpace(w.text("msg") + " " + w.text("service")) }

func ourOPCUAFunction(r *record) string {
	return strings.TrimSpace(r.text("msg") + " " + r.text("service"))
}
