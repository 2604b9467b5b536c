package mms

import "strings"

// Detail is the detail field of a dissect record. Fields that the message does not have are absent.
type Detail struct {
	PDU                string       `json:"pdu"`
	InvokeID           *uint32      `json:"invoke_id,omitempty"`
	Service            *uint8       `json:"service,omitempty"`             // confirmed
	UnconfirmedService *uint8       `json:"unconfirmed_service,omitempty"` // its number
	Items              []DetailItem `json:"items,omitempty"`
	Results            []DetailItem `json:"results,omitempty"` // of an answer, in the order of the request
	Error              string       `json:"error,omitempty"`   // hexadecimal: class and code
	MaxSize            uint32       `json:"max_size,omitempty"`
	Version            uint32       `json:"version,omitempty"`
	Services           string       `json:"services,omitempty"` // hexadecimal bit string
	RequestFrame       uint64       `json:"request_frame,omitempty"`
}

// DetailItem is an object that the message names, or a result.
type DetailItem struct {
	Domain string  `json:"domain,omitempty"`
	Item   string  `json:"item,omitempty"`
	Value  string  `json:"value,omitempty"`
	Error  *uint32 `json:"error,omitempty"` // DataAccessError
}

const shownValues = 32

func (m *message) detail(r *request) *Detail {
	d := &Detail{PDU: pdus[m.kind].name, Error: hexadecimal(m.class)}
	if m.invoked {
		d.InvokeID = ptr(m.invoke)
	}
	switch {
	case m.named && m.kind == unconfirmedPDU:
		d.UnconfirmedService = ptr(m.service)
	case m.named:
		d.Service = ptr(m.service)
	}
	for i := range m.items {
		d.Items = append(d.Items, m.items[i].detail())
	}
	for i := range m.results {
		if len(m.items) == 0 || m.listed {
			d.Results = append(d.Results, m.results[i].detail())
		}
	}
	if m.offer.there {
		d.MaxSize, d.Version, d.Services = m.offer.size, m.offer.version, m.offer.services
	}
	if r != nil {
		d.RequestFrame = r.frame
	}
	return d
}

func (it *item) detail() DetailItem {
	d := DetailItem{
		Domain: valid(string(it.name.domain)), Item: valid(string(it.name.item)),
		Value: valid(string(it.values.Append(nil, 0, shownValues))),
	}
	if it.failed {
		d.Error = ptr(it.failure)
	}
	return d
}

func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func ptr[T any](v T) *T { return &v }
