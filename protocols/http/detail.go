package http

// Detail is the detail field of a dissect record.
type Detail struct {
	Method        string `json:"method,omitempty"`
	URI           string `json:"uri,omitempty"`
	Version       string `json:"version,omitempty"`
	Host          string `json:"host,omitempty"`
	UserAgent     string `json:"user_agent,omitempty"`
	Status        int    `json:"status,omitempty"`
	Server        string `json:"server,omitempty"`
	PoweredBy     string `json:"x_powered_by,omitempty"`
	ContentType   string `json:"content_type,omitempty"`
	ContentLength *int64 `json:"content_length,omitempty"`
	Realm         string `json:"realm,omitempty"`
	Scheme        string `json:"auth_scheme,omitempty"`
	User          string `json:"user,omitempty"`
	Upgrade       string `json:"upgrade,omitempty"`
	Title         string `json:"title,omitempty"`
	Filename      string `json:"filename,omitempty"`
	RequestFrame  uint64 `json:"request_frame,omitempty"`
}

// detail tells a head. Of an authorization it tells the scheme and the user; the query, in which passwords travel, is left
// out.
func (h *head) detail(requestFrame uint64) *Detail {
	d := &Detail{
		Method: text(h.method), URI: text(h.path()), Version: text(h.version), Host: text(h.host), UserAgent: text(h.agent),
		Status: h.status, Server: text(h.server), PoweredBy: text(h.powered), ContentType: text(h.kind),
		Realm: text(parameter(h.challenge, "realm")), Scheme: text(scheme(h.challenge)), Upgrade: text(h.upgrade),
		Filename: text(parameter(h.disposition, "filename")), RequestFrame: requestFrame,
	}
	if h.authorization != nil {
		d.Scheme, d.User = text(scheme(h.authorization)), userName(h.authorization)
	}
	if h.length >= 0 {
		n := h.length
		d.ContentLength = &n
	}
	return d
}
