// Package mms reads the Manufacturing Message Specification (ISO 9506) on ISO-on-TCP, with which IEC 61850 and ICCP
// stations are read and commanded: who reads and writes which variable of which domain, who subscribes to reports, starts
// and stops programs, loads domains, fetches and deletes files, and what a device says of itself.
//
// It owns the layers between transport and MMS as far as they carry it (ISO 8327 session, ISO 8823 presentation, ISO 8650
// association), and the names of IEC 61850-8-1 in so far as they tell what a variable is for: a write to a functional
// constraint CO commands the process, one to RP or BR asks for reports, one to SE changes a setting.
//
// The package refuses to guess: services of which it knows no content are told by name, and an answer whose request was
// not seen has no objects. A dissector is the state of one connection and used by one goroutine; it keeps at most 32
// requests of 32 objects, 64 names, and a message of at most 64 KiB in fragments for each side.
package mms
