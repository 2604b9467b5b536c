/* Counts packets by conversation, and decides which of them pass. */
#pragma once

#include "parse.h"

/* A conversation in both directions: a is the lesser end, by address and then by port. */
struct key {
	__u8 a[16], b[16]; /* IPv4 in the last four bytes, the others 0 */
	__u16 port_a, port_b;
	__u8 proto;
	__u8 family; /* 4 or 6 */
	__u16 pad;
};

/* What was counted on one CPU. */
struct flow {
	__u64 packets[2], bytes[2]; /* from a, from b; bytes are lengths on the wire */
	__u64 first, last; /* CLOCK_MONOTONIC, ns */
	__u16 vlans[2]; /* of the first packet */
	__u8 flags[2]; /* of TCP, or'ed */
	__u8 from_b; /* the first packet was */
	__u8 data; /* some packet carried something */
};

/* Why a packet belongs to no conversation. */
enum {
	OTHER_NO_IP,
	OTHER_FRAGMENT,
	OTHER_QUOTE, /* an ICMP error belongs to the conversation that it quotes */
	OTHER_MALFORMED,
	OTHER_BEYOND,
	OTHERS,
};

/* Sums of one CPU. */
struct sums {
	__u64 packets, bytes;
	__u64 flows, overflow; /* packets */
	__u64 other[OTHERS];
	__u64 passed;
};

struct options {
	__u32 first; /* packets of each conversation that pass */
	__u32 snap; /* bytes of a packet that a socket receives */
	__u32 marks; /* not 0: there are entries in marks */
	__u32 pad;
	__u64 ports[2][1024]; /* a bit for each port of TCP, of UDP */
};

enum { MARK_WANTED = 1, MARK_BULK = 2 };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct key);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key);
	__type(value, __u32);
} marks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sums);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct options);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct frame);
} frames SEC(".maps");

inline_ struct frame *frame(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&frames, &zero);
}

/* other says why the frame is of no conversation, or OTHERS. */
inline_ __u32 other(const struct frame *f)
{
	if (f->outcome == BEYOND)
		return OTHER_BEYOND;
	if (f->outcome == MALFORMED)
		return OTHER_MALFORMED;
	if (!f->now.family)
		return OTHER_NO_IP;
	if (f->now.fragment)
		return OTHER_FRAGMENT;
	if (f->now.quoted)
		return OTHER_QUOTE;
	return OTHERS;
}

/* fill makes the key of the frame's conversation, and gives the direction: 0 from a, 1 from b. */
inline_ __u32 fill(struct key *k, struct frame *f)
{
	__u16 source = f->now.ports[0], destination = f->now.ports[1];
	__u32 from_b;
	if (f->now.family == 4) {
		const __u32 *ip = (const __u32 *)(at(f, f->now.ip) + 12);
		__u32 src = ip[0], dst = ip[1];
		from_b = bpf_ntohl(src) > bpf_ntohl(dst) || (src == dst && source > destination);
		*(__u32 *)(k->a + 12) = from_b ? dst : src;
		*(__u32 *)(k->b + 12) = from_b ? src : dst;
	} else {
		const __u64 *ip = (const __u64 *)(at(f, f->now.ip) + 8);
		__u64 src0 = ip[0], src1 = ip[1], dst0 = ip[2], dst1 = ip[3];
		if (src0 != dst0)
			from_b = bpf_be64_to_cpu(src0) > bpf_be64_to_cpu(dst0);
		else if (src1 != dst1)
			from_b = bpf_be64_to_cpu(src1) > bpf_be64_to_cpu(dst1);
		else
			from_b = source > destination;
		__u64 *a = (__u64 *)k->a, *b = (__u64 *)k->b;
		a[0] = from_b ? dst0 : src0;
		a[1] = from_b ? dst1 : src1;
		b[0] = from_b ? src0 : dst0;
		b[1] = from_b ? src1 : dst1;
	}
	k->port_a = from_b ? destination : source;
	k->port_b = from_b ? source : destination;
	k->proto = f->now.proto;
	k->family = f->now.family;
	return from_b;
}

inline_ int wanted(const struct options *s, __u32 udp, __u16 port)
{
	return s->ports[udp & 1][(port >> 6) & 1023] >> (port & 63) & 1;
}

/* passes decides about the nth packet of a conversation on this CPU. */
inline_ int passes(const struct options *s, const struct key *k, __u8 flags, __u64 nth)
{
	if (k->proto == 6 && (flags & 7)) /* FIN, SYN, RST */
		return 1;
	if (s->marks) {
		__u32 *mark = bpf_map_lookup_elem(&marks, k);
		if (mark)
			return *mark != MARK_BULK;
	}
	if (nth <= s->first)
		return 1;
	if (k->proto == 6 || k->proto == 17) {
		__u32 udp = k->proto == 17;
		return wanted(s, udp, k->port_a) || wanted(s, udp, k->port_b);
	}
	return 0;
}

/* find gives the conversation's counters on this CPU, new ones if need be, or none when the table is full. */
inline_ struct flow *find(const struct key *k)
{
	struct flow *v = bpf_map_lookup_elem(&flows, k);
	if (v)
		return v;
	struct flow zero = {};
	bpf_map_update_elem(&flows, k, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&flows, k);
}

/* count counts a parsed frame of length bytes, and says whether it passes. */
inline_ int count(struct frame *f, __u32 length, const struct options *s)
{
	__u32 zero = 0;
	struct sums *t = bpf_map_lookup_elem(&totals, &zero);
	if (!t)
		return 1;
	t->packets++;
	t->bytes += length;
	__u32 why = other(f);
	if (why < OTHERS) {
		t->other[why]++;
		t->passed++;
		return 1;
	}
	struct key k = {};
	__u32 from_b = fill(&k, f);
	struct flow *v = find(&k);
	__u64 nth = (__u64)-1;
	if (v) {
		__u64 now = bpf_ktime_get_ns();
		t->flows++;
		if (!v->first) {
			v->first = now;
			v->from_b = from_b;
			v->vlans[0] = f->now.vlans[0];
			v->vlans[1] = f->now.vlans[1];
		}
		v->last = now;
		v->packets[from_b & 1]++;
		v->bytes[from_b & 1] += length;
		v->flags[from_b & 1] |= f->now.flags;
		v->data |= f->now.data;
		nth = v->packets[0] + v->packets[1];
	} else {
		t->overflow++;
	}
	if (!passes(s, &k, f->now.flags, nth))
		return 0;
	t->passed++;
	return 1;
}
