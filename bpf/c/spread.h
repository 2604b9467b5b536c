/* Spreads frames over workers like packet.Hash: all frames between two hosts meet, whatever they carry. */
#pragma once

#include "parse.h"

inline_ __u64 mix(__u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

inline_ __u64 fold(__u64 high, __u64 low)
{
	return mix(high) ^ low;
}

/* address folds an IP address; one of IPv4 as if it were mapped. */
inline_ __u64 address(const __u8 *b, __u32 family)
{
	if (family == 4)
		return fold(0, 0xffff00000000ULL | bpf_ntohl(*(const __u32 *)b));
	return fold(bpf_be64_to_cpu(*(const __u64 *)b), bpf_be64_to_cpu(*(const __u64 *)(b + 8)));
}

inline_ __u64 station(const __u8 *b)
{
	return (__u64)be16(b) << 32 | bpf_ntohl(*(const __u32 *)(b + 2));
}

/* hash is that of a parsed frame. What is malformed goes by what was read. */
inline_ __u32 hash(struct frame *f)
{
	__u64 a = 0, b = 0;
	__u32 family = f->now.quoted ? f->now.quoted : f->now.family;
	if (family) {
		const __u8 *ip = at(f, f->now.quoted ? f->now.quote : f->now.ip);
		ip += family == 4 ? 12 : 8;
		a = address(ip, family);
		b = family == 4 ? address(ip + 4, 4) : address(ip + 16, 6);
	} else if (f->now.ether) {
		const __u8 *mac = at(f, f->now.mac);
		a = station(mac + 6);
		b = station(mac);
	}
	return mix(mix(a) + mix(b)) >> 32;
}
