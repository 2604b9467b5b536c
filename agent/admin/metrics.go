package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spanwatch/spanwatch/agent/sensor"
)

// metrics turns the sensor's health into Prometheus metrics whenever they are asked for.
type metrics struct{ sensor Sensor }

// metric is one row of the table below.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*sensor.Health) float64
}

func row(name, help string, kind prometheus.ValueType, value func(*sensor.Health) float64) metric {
	return metric{prometheus.NewDesc("spanwatch_"+name, help, nil, nil), kind, value}
}

var rows = []metric{
	row("packets_total", "Packets read by workers.", prometheus.CounterValue, func(h *sensor.Health) float64 { return float64(h.Counters.Packets) }),
	row("bytes_total", "Bytes on the wire of these packets.", prometheus.CounterValue, func(h *sensor.Health) float64 { return float64(h.Counters.Bytes) }),
	row("conversations_total", "Conversations seen.", prometheus.CounterValue, func(h *sensor.Health) float64 { return float64(h.Counters.Conversations) }),
	row("late_events_total", "Events that came after later ones were judged.", prometheus.CounterValue, func(h *sensor.Health) float64 { return float64(h.Counters.Late) }),
	row("spool_dropped_total", "Records that found no room in the spool.", prometheus.CounterValue, func(h *sensor.Health) float64 { return float64(h.Counters.Dropped.Spool) }),
	row("unparsed_frames_total", "Frames whose headers could not be read.", prometheus.CounterValue, func(h *sensor.Health) float64 { return float64(h.Counters.Unparsed.Frames) }),
	row("malformed_messages_total", "Messages that broke their specification.", prometheus.CounterValue, func(h *sensor.Health) float64 { return float64(h.Counters.Unparsed.Malformed) }),
	row("gaps_total", "Places where bytes of a conversation were missing.", prometheus.CounterValue, func(h *sensor.Health) float64 { return float64(h.Counters.Unparsed.Gaps) }),
	row("evicted_conversations_total", "Conversations forgotten for want of room.", prometheus.CounterValue, func(h *sensor.Health) float64 { return float64(h.Counters.Evicted.Conversations) }),
	row("devices", "Devices known at the last save.", prometheus.GaugeValue, func(h *sensor.Health) float64 { return float64(h.Devices) }),
	row("edges", "Edges known at the last save.", prometheus.GaugeValue, func(h *sensor.Health) float64 { return float64(h.Edges) }),
	row("alerts", "Alerts known at the last save.", prometheus.GaugeValue, func(h *sensor.Health) float64 { return float64(h.Alerts) }),
	row("save_failed", "1 while what is known cannot be saved.", prometheus.GaugeValue, func(h *sensor.Health) float64 {
		if h.SaveError != "" {
			return 1
		}
		return 0
	}),
	row("unraised_alerts", "Alerts that cannot be committed, and wait in memory.", prometheus.GaugeValue, func(h *sensor.Health) float64 { return float64(h.Unraised) }),
	row("waiting_alerts", "Changes of alerts that the collector has not acknowledged.", prometheus.GaugeValue, func(h *sensor.Health) float64 { return float64(h.Waiting.Alerts) }),
	row("waiting_records", "Other records that the collector has not acknowledged.", prometheus.GaugeValue, func(h *sensor.Health) float64 { return float64(h.Waiting.Routine) }),
}

var (
	messagesDesc = prometheus.NewDesc("spanwatch_messages_total", "Messages read, by protocol.", []string{"protocol"}, nil)
	upDesc       = prometheus.NewDesc("spanwatch_interface_up", "1 while the interface is there and has a link.", []string{"interface", "mode"}, nil)
	packetsDesc  = prometheus.NewDesc("spanwatch_interface_packets_total", "Packets of an interface, by the place that counts them.",
		[]string{"interface", "place"}, nil)
)

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	h := m.sensor.Health()
	for _, r := range rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.value(&h))
	}
	for protocol, n := range h.Counters.Messages {
		ch <- prometheus.MustNewConstMetric(messagesDesc, prometheus.CounterValue, float64(n), protocol)
	}
	for i := range h.Interfaces {
		s := &h.Interfaces[i]
		up := 0.0
		if s.Up {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(upDesc, prometheus.GaugeValue, up, s.Interface, string(s.Mode))
		for place, n := range map[string]uint64{
			"nic_received": s.NIC.Received, "nic_dropped": s.NIC.Dropped, "nic_transmitted": s.NIC.Transmitted,
			"ring_received": s.Ring.Received, "ring_dropped": s.Ring.Dropped,
			"kernel_flows": s.Kernel.Flows, "kernel_overflow": s.Kernel.Overflow, "kernel_other": s.Kernel.Other, "kernel_passed": s.Kernel.Passed,
		} {
			ch <- prometheus.MustNewConstMetric(packetsDesc, prometheus.CounterValue, float64(n), s.Interface, place)
		}
	}
}
