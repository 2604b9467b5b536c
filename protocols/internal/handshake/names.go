package handshake

import "fmt"

// Versions of TLS (RFC 8446 §4.2.1 and its forerunners).
const (
	VersionSSL3 = 0x0300
	Version10   = 0x0301
	Version11   = 0x0302
	Version12   = 0x0303
	Version13   = 0x0304
)

var versionNames = map[uint16]string{
	VersionSSL3: "SSL 3.0", Version10: "TLS 1.0", Version11: "TLS 1.1", Version12: "TLS 1.2", Version13: "TLS 1.3",
}

// VersionName gives a version's name: "TLS 1.2".
func VersionName(v uint16) string {
	if name, ok := versionNames[v]; ok {
		return name
	}
	return fmt.Sprintf("TLS 0x%04x", v)
}

// Handshake messages that are read (RFC 8446 §4).
const (
	helloRequest = 0
	clientHello  = 1
	serverHello  = 2
	certificate  = 11
)

const retryName = "Hello Retry Request"

// handshakeNames are the messages of the handshake (IANA TLS HandshakeType).
var handshakeNames = [256]string{
	helloRequest: "Hello Request",
	clientHello:  "Client Hello",
	serverHello:  "Server Hello",
	3:            "Hello Verify Request",
	4:            "New Session Ticket",
	5:            "End of Early Data",
	8:            "Encrypted Extensions",
	certificate:  "Certificate",
	12:           "Server Key Exchange",
	13:           "Certificate Request",
	14:           "Server Hello Done",
	15:           "Certificate Verify",
	16:           "Client Key Exchange",
	20:           "Finished",
	21:           "Certificate URL",
	22:           "Certificate Status",
	23:           "Supplemental Data",
	24:           "Key Update",
	25:           "Compressed Certificate",
}

// MessageName gives a handshake message's name.
func MessageName(kind uint8) string {
	if name := handshakeNames[kind]; name != "" {
		return name
	}
	return fmt.Sprintf("Handshake %d", kind)
}

// fragmentName is what a piece is called in which nothing ends.
func fragmentName(kind uint8) string {
	switch kind {
	case ApplicationData:
		return "Application Data"
	case Handshake:
		return "Handshake fragment"
	default:
		return "Record fragment"
	}
}

// Levels of an alert (RFC 8446 §6).
const (
	alertWarning = 1
	alertFatal   = 2
)

func alertLevel(level uint8) string {
	switch level {
	case alertWarning:
		return "warning"
	case alertFatal:
		return "fatal"
	default:
		return fmt.Sprintf("level %d", level)
	}
}

// alertNames are the descriptions of alerts (RFC 8446 §6, and those that older versions had).
var alertNames = map[uint8]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
	30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate",
	43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
	47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
	60: "export_restriction", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
	86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation", 109: "missing_extension",
	110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
	113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_psk_identity",
	116: "certificate_required", 120: "no_application_protocol",
}

// AlertName gives the name of an alert's description.
func AlertName(description uint8) string {
	if name, ok := alertNames[description]; ok {
		return name
	}
	return fmt.Sprintf("alert %d", description)
}
