package opcua

import (
	"bytes"
)

// The security modes of Part 4, 7.20, under the names of [protocols.Security].
const (
	modeNone    = "none"
	modeSign    = "sign"
	modeEncrypt = "sign-and-encrypt"
)

// modes are the names by the number on the wire; 0 is invalid.
var modes = [...]string{1: modeNone, 2: modeSign, 3: modeEncrypt}

// modeName gives the name of a MessageSecurityMode, empty for an invalid one.
func modeName(mode uint32) string {
	if mode < uint32(len(modes)) {
		return modes[mode]
	}
	return ""
}

const (
	policyNone   = "None"
	policyPrefix = "http://opcfoundation.org/UA/SecurityPolicy#"
)

// policies are the short names of the policies of Part 7, with the bytes that a symmetric signature has at the end of
// each chunk: HMAC with SHA-1 or with SHA-256.
var policies = map[string]struct {
	name      string
	signature int
}{
	"None":                  {policyNone, 0},
	"Basic128Rsa15":         {"Basic128Rsa15", 20},
	"Basic256":              {"Basic256", 20},
	"Basic256Sha256":        {"Basic256Sha256", 32},
	"Aes128_Sha256_RsaOaep": {"Aes128_Sha256_RsaOaep", 32},
	"Aes256_Sha256_RsaPss":  {"Aes256_Sha256_RsaPss", 32},
}

// security is what is known of a channel's protection. A TCP connection carries one channel (Part 6, 7.1.2).
type security struct {
	policy    string // short name; empty when the opening was not seen
	mode      string // empty when unknown
	signature int    // bytes at the end of each chunk of a signed channel
}

// open sets the policy from the URI of an OpenSecureChannel message. With every policy but None that message is itself
// encrypted, so the mode shows only in the messages that follow.
func (s *security) open(uri []byte, names *names) {
	short := bytes.TrimPrefix(uri, []byte(policyPrefix))
	name, signature := "", 0
	if known, ok := policies[string(short)]; ok {
		name, signature = known.name, known.signature
	} else {
		name = names.text(short)
	}
	if name != s.policy {
		*s = security{policy: name, signature: signature}
	}
	if name == policyNone {
		s.mode = modeNone
	}
}

// readable notes that a message could be read: a channel with a policy then only signs, and one that seemed encrypted
// is not.
func (s *security) readable() {
	switch {
	case s.policy != "" && s.policy != policyNone:
		s.mode = modeSign
	case s.mode == modeEncrypt:
		s.mode = ""
	}
}

// guess judges, where the opening was not seen, by what a fully read message of one chunk leaves over: nothing, or the
// size of a signature.
func (s *security) guess(left int) {
	if s.policy != "" || s.mode == modeSign {
		return
	}
	switch left {
	case 0:
		s.mode = modeNone
	case 20, 32:
		s.mode = modeSign
	}
}
