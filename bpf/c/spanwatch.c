/* The programs: one for the driver, one for sockets, both counting and filtering alike, and one that chooses a worker. */
#include "flow.h"
#include "spread.h"

char licence[] SEC("license") = "Dual MIT/GPL";

#define OUTGOING 4 /* PACKET_OUTGOING of linux/if_packet.h */
#define HEADER 14 /* of Ethernet */
#define TAG 4

inline_ const struct options *configured(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&settings, &zero);
}

/* CLIP makes n at most most, and goes on only where it is at least least. The verifier must see both comparisons: the
 * compiler would make one of them. That n is not 0 proves nothing to older kernels; that it is not less than 2 does. */
#define CLIP(n, least, most)                 \
	asm volatile("" : "+r"(n));          \
	if (n > (most))                      \
		n = (most);                  \
	asm volatile("" : "+r"(n));          \
	if (n >= (least))

SEC("xdp.frags")
int xdp(struct xdp_md *ctx)
{
	struct frame *f = frame();
	const struct options *s = configured();
	if (!f || !s)
		return XDP_PASS;
	__u32 length = bpf_xdp_get_buff_len(ctx);
	__u32 n = length, there = 0;
	CLIP(n, HEADER, WINDOW)
	{
		if (!bpf_xdp_load_bytes(ctx, 0, f->b, n))
			there = length;
	}
	parse(f, there);
	return count(f, length, s) ? XDP_PASS : XDP_DROP;
}

/* load copies the beginning of a packet whose data begins at offset skip of the frame, and puts back the outer VLAN tag
 * where the kernel took it out. It gives the frame's length, or 0 where it cannot be read. */
inline_ __u32 load(struct __sk_buff *skb, struct frame *f, __u32 skip)
{
	__u32 length = skb->len + skip, room = 0;
	if (skip ? bpf_skb_load_bytes_relative(skb, 0, f->b, HEADER, BPF_HDR_START_MAC) :
		   bpf_skb_load_bytes(skb, 0, f->b, HEADER))
		return 0;
	if (skb->vlan_present) {
		*(__u16 *)(f->b + 16) = *(__u16 *)(f->b + 12);
		*(__u16 *)(f->b + 12) = skb->vlan_proto;
		*(__u16 *)(f->b + 14) = bpf_htons(skb->vlan_tci);
		room = TAG;
	}
	__u32 n = length - HEADER; /* no header is shorter than two bytes */
	CLIP(n, 2, WINDOW - HEADER)
	{
		if (room ? bpf_skb_load_bytes(skb, HEADER - skip, f->b + HEADER + TAG, n) :
			   bpf_skb_load_bytes(skb, HEADER - skip, f->b + HEADER, n))
			return 0;
	}
	return length + room;
}

SEC("socket")
int filter(struct __sk_buff *skb)
{
	struct frame *f = frame();
	const struct options *s = configured();
	if (!f || !s)
		return -1;
	if (skb->pkt_type == OUTGOING)
		return 0;
	parse(f, load(skb, f, 0));
	return count(f, skb->len + (skb->vlan_present ? TAG : 0), s) ? s->snap : 0;
}

/* spread runs before the packet's data is set back to its Ethernet header. */
SEC("socket")
int spread(struct __sk_buff *skb)
{
	struct frame *f = frame();
	if (!f)
		return 0;
	parse(f, load(skb, f, HEADER));
	return hash(f);
}
