/* Reads the headers of one frame, from Ethernet through tunnels to the innermost IP conversation, by the rules of the Go
 * package capture/packet: what the two say of a frame must be the same, and tests hold them to it. Names are those of the
 * Go functions.
 *
 * The first WINDOW bytes of a frame are copied into a buffer whose size is a power of two and room to spare, and read at
 * masked offsets. The verifier then needs to know nothing about the offsets, which keeps its work small and its verdict the
 * same from kernel to kernel.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define WINDOW 192 /* bytes of a frame that are looked at */
#define MASK 255
#define ROOM 64 /* most that is read behind a masked offset */
#define STEPS 64 /* headers; no more fit into the window, but for crafted ones */
#define EXTENSIONS 16 /* IPv6 extension headers in a chain */

#define inline_ static __attribute__((always_inline)) inline

/* What to read next. */
enum {
	ETHERNET = 1,
	ETHER, /* by frame.kind, an EtherType */
	LLC,
	ARP,
	PPPOE,
	PPP,
	MPLS,
	RAW, /* IP by its version nibble */
	IPV4,
	IPV6,
	EXTENSION,
	TRANSPORT,
	GRE,
	DONE,
};

/* How reading ended. */
enum {
	WHOLE,
	MALFORMED, /* it breaks off or contradicts itself */
	BEYOND, /* it goes on beyond the window */
};

/* What is known of the innermost packet so far. */
struct conversation {
	__u16 ip; /* offset of its header */
	__u16 mac; /* offset of its Ethernet header */
	__u16 quote; /* offset of the IP header that an ICMP error quotes */
	__u8 family; /* 4, 6, or 0: no IP yet */
	__u8 proto;
	__u16 ports[2]; /* source, destination */
	__u16 vlans[2];
	__u8 flags; /* of TCP */
	__u8 fragment;
	__u8 quoted; /* 4, 6, or 0: nothing quoted */
	__u8 data; /* it carries something behind the headers */
	__u8 tunnels;
	__u8 ether; /* it has an Ethernet header */
	__u8 mirrored; /* tunnels when ERSPAN led here; 0: it did not */
	__u8 pad;
	__u16 mirror; /* VLAN of the port that ERSPAN mirrors */
};

struct frame {
	__u8 b[MASK + 1 + ROOM];
	struct conversation now, outer; /* outer: the last one with IP that a tunnel hid */
	__u32 off, end; /* of what is not read yet */
	__u16 kind;
	__u8 next;
	__u8 outcome;
	__u8 missing; /* the innermost IP packet is longer than the frame */
	__u8 attempt; /* inside a UDP tunnel, where what is malformed is a datagram like any other */
	__u8 extensions;
	__u8 tags;
	__u8 pad[3];
};

/* at gives the bytes at an offset, without the compiler knowing what the offset was compared with. */
inline_ __u8 *at(struct frame *f, __u32 off)
{
	asm volatile("" : "+r"(off));
	return f->b + (off & MASK);
}

inline_ __u16 be16(const __u8 *b)
{
	return bpf_ntohs(*(const __u16 *)b);
}

/* stop ends reading. */
inline_ long stop(struct frame *f, __u8 outcome)
{
	f->outcome = outcome;
	f->next = DONE;
	return 1;
}

/* NEED(n) goes on only where n bytes are there, and within the window: LOOK(n) is the second half of it. */
#define LEFT (f->end - f->off)
#define LOOK(n)                                   \
	do {                                      \
		if (f->off + (n) > WINDOW)        \
			return stop(f, BEYOND);   \
	} while (0)
#define NEED(n)                                   \
	do {                                      \
		if (LEFT < (n))                   \
			return stop(f, MALFORMED);\
		LOOK(n);                          \
	} while (0)

/* enter goes into a tunnel. */
inline_ void enter(struct frame *f, __u8 next)
{
	if (f->now.family)
		f->outer = f->now;
	struct conversation inner = {};
	inner.tunnels = f->now.tunnels + 1;
	inner.vlans[0] = f->now.vlans[0];
	inner.vlans[1] = f->now.vlans[1];
	f->now = inner;
	f->missing = 0;
	f->next = next;
}

inline_ long ethernet(struct frame *f)
{
	NEED(14);
	f->now.mac = f->off;
	f->now.ether = 1;
	f->now.vlans[0] = f->now.vlans[1] = 0;
	f->kind = be16(at(f, f->off) + 12);
	f->off += 14;
	f->tags = 0;
	f->next = ETHER;
	return 0;
}

inline_ long ether(struct frame *f)
{
	__u16 kind = f->kind;
	if (kind == 0x8100 || kind == 0x88a8 || kind == 0x9100) {
		NEED(4);
		__u8 *b = at(f, f->off);
		__u16 id = be16(b) & 0xfff;
		if (f->tags == 0)
			f->now.vlans[0] = id;
		else if (f->tags == 1)
			f->now.vlans[1] = id;
		f->tags++;
		f->kind = kind = be16(b + 2);
		f->off += 4;
	}
	switch (kind) {
	case 0x0800: f->next = IPV4; return 0;
	case 0x86dd: f->next = IPV6; return 0;
	case 0x8100:
	case 0x88a8:
	case 0x9100: return 0;
	case 0x0806: f->next = ARP; return 0;
	case 0x8847:
	case 0x8848: f->next = MPLS; return 0;
	case 0x8864: f->next = PPPOE; return 0;
	}
	if (kind <= 1500) {
		f->next = LLC;
		return 0;
	}
	return stop(f, WHOLE);
}

inline_ long llc(struct frame *f)
{
	if (f->kind < LEFT)
		f->end = f->off + f->kind;
	if (LEFT < 8)
		return stop(f, WHOLE);
	LOOK(8);
	__u8 *b = at(f, f->off);
	if (b[0] != 0xaa || b[1] != 0xaa || b[2] != 3 || b[3] || b[4] || (b[5] && b[5] != 0xf8))
		return stop(f, WHOLE);
	__u16 kind = be16(b + 6);
	if (kind <= 1500)
		return stop(f, WHOLE);
	f->kind = kind;
	f->off += 8;
	f->tags = 0;
	f->next = ETHER;
	return 0;
}

inline_ long arp(struct frame *f)
{
	NEED(8);
	__u8 *b = at(f, f->off);
	if (be16(b) == 1 && be16(b + 2) == 0x0800 && b[4] == 6 && b[5] == 4 && LEFT < 28)
		return stop(f, MALFORMED);
	return stop(f, WHOLE);
}

inline_ long pppoe(struct frame *f)
{
	NEED(6);
	__u8 *b = at(f, f->off);
	if (b[0] != 0x11 || b[1])
		return stop(f, WHOLE);
	__u32 length = be16(b + 4);
	f->off += 6;
	if (length < LEFT)
		f->end = f->off + length;
	f->now.tunnels++;
	f->next = PPP;
	return 0;
}

inline_ long ppp(struct frame *f)
{
	if (LEFT >= 2) {
		LOOK(2);
		if (be16(at(f, f->off)) == 0xff03)
			f->off += 2;
	}
	NEED(2);
	__u8 *b = at(f, f->off);
	__u16 kind = b[0];
	f->off++;
	if (!(kind & 1)) {
		kind = kind << 8 | b[1];
		f->off++;
	}
	if (kind != 0x21 && kind != 0x57)
		return stop(f, WHOLE);
	f->next = kind == 0x21 ? IPV4 : IPV6;
	return 0;
}

inline_ long mpls(struct frame *f)
{
	NEED(4);
	__u8 bottom = at(f, f->off)[2] & 1;
	f->off += 4;
	if (!bottom)
		return 0;
	if (!LEFT)
		return stop(f, WHOLE);
	LOOK(1);
	switch (at(f, f->off)[0] >> 4) {
	case 4:
		f->now.tunnels++;
		f->next = IPV4;
		return 0;
	case 6:
		f->now.tunnels++;
		f->next = IPV6;
		return 0;
	case 0: /* a pseudowire's control word */
		if (LEFT < 4)
			return stop(f, MALFORMED);
		f->off += 4;
	}
	enter(f, ETHERNET);
	return 0;
}

inline_ long raw(struct frame *f)
{
	NEED(1);
	__u8 version = at(f, f->off)[0] >> 4;
	if (version != 4 && version != 6)
		return stop(f, MALFORMED);
	f->next = version == 4 ? IPV4 : IPV6;
	return 0;
}

inline_ long ipv4(struct frame *f)
{
	NEED(20);
	__u8 *b = at(f, f->off);
	if (b[0] >> 4 != 4)
		return stop(f, MALFORMED);
	f->now.ip = f->off;
	f->now.family = 4;
	f->now.proto = b[9];
	__u32 header = (b[0] & 15) * 4, total = be16(b + 2), left = LEFT;
	if (header < 20 || header > left)
		return stop(f, MALFORMED);
	if (total) { /* 0: left to the network card */
		if (total < header)
			return stop(f, MALFORMED);
		if (total < left)
			f->end = f->off + total;
		else
			f->missing = total > left;
	}
	if (be16(b + 6) & 0x3fff) {
		f->now.fragment = 1;
		return stop(f, WHOLE);
	}
	f->off += header;
	f->next = TRANSPORT;
	return 0;
}

inline_ long ipv6(struct frame *f)
{
	NEED(40);
	__u8 *b = at(f, f->off);
	if (b[0] >> 4 != 6)
		return stop(f, MALFORMED);
	f->now.ip = f->off;
	f->now.family = 6;
	f->now.proto = b[6];
	__u32 length = be16(b + 4);
	f->off += 40;
	if (length) { /* 0: a jumbogram, or left to the network card */
		__u32 left = LEFT;
		if (length < left)
			f->end = f->off + length;
		else
			f->missing = length > left;
	}
	f->extensions = 0;
	f->next = EXTENSION;
	return 0;
}

inline_ long extension(struct frame *f)
{
	__u32 unit = 8;
	if (f->extensions++ >= EXTENSIONS)
		return stop(f, MALFORMED);
	switch (f->now.proto) {
	case 59: return stop(f, WHOLE);
	case 44: {
		NEED(8);
		__u8 *b = at(f, f->off);
		f->now.proto = b[0];
		f->off += 8;
		if (be16(b + 2) & 0xfff9) { /* an atomic fragment is a whole packet */
			f->now.fragment = 1;
			return stop(f, WHOLE);
		}
		return 0;
	}
	case 51: unit = 4; break;
	case 0:
	case 43:
	case 60:
	case 135:
	case 139:
	case 140: break;
	default: f->next = TRANSPORT; return 0;
	}
	if (LEFT < 2)
		return stop(f, MALFORMED);
	LOOK(2);
	__u8 *b = at(f, f->off);
	__u32 size = b[1] * unit + 8;
	if (size > LEFT)
		return stop(f, MALFORMED);
	f->now.proto = b[0];
	f->off += size;
	return 0;
}

inline_ long tcp(struct frame *f)
{
	if (LEFT >= 4) {
		LOOK(4);
		f->now.ports[0] = be16(at(f, f->off));
		f->now.ports[1] = be16(at(f, f->off) + 2);
	}
	NEED(20);
	__u8 *b = at(f, f->off);
	f->now.flags = b[13];
	__u32 header = (b[12] >> 4) * 4, left = LEFT;
	if (header < 20 || (header > left && !f->missing))
		return stop(f, MALFORMED);
	f->now.data = header < left || f->missing;
	return stop(f, WHOLE);
}

inline_ long udp(struct frame *f)
{
	if (LEFT >= 4) {
		LOOK(4);
		f->now.ports[0] = be16(at(f, f->off));
		f->now.ports[1] = be16(at(f, f->off) + 2);
	}
	NEED(8);
	__u32 length = be16(at(f, f->off) + 4);
	if (length && length < 8)
		return stop(f, MALFORMED);
	if (length && length < LEFT)
		f->end = f->off + length;
	f->off += 8;
	f->now.data = f->missing || LEFT;
	__u16 port = f->now.ports[1];
	if ((port != 4789 && port != 6081) || LEFT < 8)
		return stop(f, WHOLE);
	LOOK(8);
	__u8 *b = at(f, f->off);
	if (port == 4789) { /* VXLAN */
		if (!(b[0] & 8) || b[7])
			return stop(f, WHOLE);
		f->off += 8;
		f->attempt = 1;
		enter(f, ETHERNET);
		return 0;
	}
	__u32 size = 8 + (b[0] & 0x3f) * 4;
	__u16 kind = be16(b + 2);
	if (b[0] >> 6 || LEFT < size || (kind != 0x6558 && kind != 0x0800 && kind != 0x86dd))
		return stop(f, WHOLE);
	f->off += size;
	f->attempt = 1;
	enter(f, kind == 0x6558 ? ETHERNET : RAW);
	return 0;
}

inline_ long icmp(struct frame *f)
{
	NEED(4);
	__u32 type = at(f, f->off)[0], left = LEFT;
	__u8 family = 0;
	__u32 head = 0;
	f->now.data = 1;
	if (f->now.proto == 1 && (type == 3 || type == 4 || type == 5 || type == 11 || type == 12)) {
		family = 4;
		head = 28;
	} else if (f->now.proto == 58 && type >= 1 && type <= 4) {
		family = 6;
		head = 48;
	}
	if (!family || left < head)
		return stop(f, WHOLE);
	LOOK(head);
	if (at(f, f->off)[8] >> 4 == family) {
		f->now.quoted = family;
		f->now.quote = f->off + 8;
	}
	return stop(f, WHOLE);
}

inline_ long transport(struct frame *f)
{
	switch (f->now.proto) {
	case 6: return tcp(f);
	case 17: return udp(f);
	case 1:
	case 58: return icmp(f);
	case 4: enter(f, IPV4); return 0;
	case 41: enter(f, IPV6); return 0;
	case 137: enter(f, MPLS); return 0;
	case 47: f->next = GRE; return 0;
	case 51: /* behind IPv4 */
		f->extensions = 0;
		f->next = EXTENSION;
		return 0;
	}
	f->now.data = 1;
	return stop(f, WHOLE);
}

inline_ long gre(struct frame *f)
{
	NEED(4);
	__u8 *b = at(f, f->off);
	__u16 flags = be16(b), kind = be16(b + 2);
	__u32 size = 4;
	f->now.data = 1;
	if ((flags & 0x4000) || (flags & 7) > 1)
		return stop(f, WHOLE);
	if (flags & 0x8000)
		size += 4;
	if (flags & 0x2000)
		size += 4;
	if (flags & 0x1000)
		size += 4;
	if ((flags & 7) == 1 && (flags & 0x80))
		size += 4;
	if (LEFT < size)
		return stop(f, MALFORMED);
	f->off += size;
	__u8 next = ETHERNET, mirrored = 0;
	__u16 mirror = 0;
	switch (kind) {
	case 0x6558: break;
	case 0x0800: next = IPV4; break;
	case 0x86dd: next = IPV6; break;
	case 0x880b: next = PPP; break;
	case 0x8847:
	case 0x8848: next = MPLS; break;
	case 0x88be:
	case 0x22eb: {
		__u32 head = 8;
		if (kind == 0x88be && !(flags & 0x1000))
			break; /* type I has no header of its own */
		if (kind == 0x22eb) {
			head = 12;
			NEED(12);
			if (at(f, f->off)[11] & 1)
				head = 20; /* a platform's own subheader */
		}
		NEED(head);
		mirror = be16(at(f, f->off)) & 0xfff;
		mirrored = f->now.tunnels + 1;
		f->off += head;
		break;
	}
	default: return stop(f, WHOLE);
	}
	enter(f, next);
	f->now.mirror = mirror;
	f->now.mirrored = mirrored;
	return 0;
}

/* step reads headers as long as they come in the common order. It is the body of a bpf_loop, and returns 1 at the end. */
static long step(__u32 n, struct frame **context)
{
	struct frame *f = *context;
	long end = 0;
	if (f->next == ETHERNET)
		end = ethernet(f);
	if (f->next == ETHER)
		end = ether(f);
	switch (f->next) {
	case LLC: return llc(f);
	case ARP: return arp(f);
	case PPPOE: return pppoe(f);
	case PPP: return ppp(f);
	case MPLS: return mpls(f);
	case RAW: return raw(f);
	case GRE: return gre(f);
	case IPV4: end = ipv4(f); break;
	case IPV6: end = ipv6(f); break;
	}
	if (f->next == EXTENSION)
		end = extension(f);
	if (f->next == TRANSPORT)
		end = transport(f);
	return end;
}

/* parse reads a frame of length bytes, whose beginning is in f->b. */
inline_ void parse(struct frame *f, __u32 length)
{
	struct conversation none = {};
	f->now = none;
	f->off = 0;
	f->end = length;
	f->next = ETHERNET;
	f->outcome = BEYOND; /* where the steps do not suffice */
	f->missing = f->attempt = 0;
	struct frame *context = f;
	bpf_loop(STEPS, step, &context, 0);
	if (f->outcome == MALFORMED && f->attempt) {
		if (!f->now.family)
			f->now = f->outer;
		f->outcome = WHOLE;
	}
	if (f->now.mirrored && f->now.mirrored == f->now.tunnels && !f->now.vlans[0])
		f->now.vlans[0] = f->now.mirror;
}
