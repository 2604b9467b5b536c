package live

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where classic BPF finds things that stand at no fixed place in the frame (linux/filter.h): SKF_NET_OFF, SKF_LL_OFF, and
// the EtherType at SKF_AD_OFF + SKF_AD_PROTOCOL. The kernel takes the outermost VLAN tag out before.
const (
	network   = 0xfff00000
	frameHead = 0xffe00000
	etherType = 0xfffff000
)

// step is one instruction of a classic BPF program. A jump goes to the label then, which stands further down.
type step struct {
	label string
	code  uint16
	k     uint32
	then  string
}

// Instructions: A is the accumulator, X the index register, M the scratch memory.
const (
	loadWord   = unix.BPF_LD | unix.BPF_W | unix.BPF_IND // A = word at X+k
	loadHalf   = unix.BPF_LD | unix.BPF_H | unix.BPF_IND
	loadByte   = unix.BPF_LD | unix.BPF_B | unix.BPF_IND
	loadFixed  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS // A = word at k
	loadIndex  = unix.BPF_LDX | unix.BPF_W | unix.BPF_IMM
	recall     = unix.BPF_LD | unix.BPF_W | unix.BPF_MEM  // A = M[k]
	recallX    = unix.BPF_LDX | unix.BPF_W | unix.BPF_MEM // X = M[k]
	store      = unix.BPF_ST                              // M[k] = A
	storeX     = unix.BPF_STX
	toX        = unix.BPF_MISC | unix.BPF_TAX
	and        = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	shiftLeft  = unix.BPF_ALU | unix.BPF_LSH | unix.BPF_K
	shiftRight = unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K
	times      = unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K
	addX       = unix.BPF_ALU | unix.BPF_ADD | unix.BPF_X
	xorX       = unix.BPF_ALU | unix.BPF_XOR | unix.BPF_X
	ifEqual    = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jump       = unix.BPF_JMP | unix.BPF_JA
	give       = unix.BPF_RET | unix.BPF_A
	giveFixed  = unix.BPF_RET | unix.BPF_K
)

// spread chooses the worker of a packet by the pair of its hosts, so that all they say to each other meets at one worker,
// whatever the protocol, the direction or the fragment; an ICMP error goes where the packet goes that it quotes. A tunnel
// goes by its outer addresses, and what is no IP by the low words of its MAC addresses.
//
// M[0] and M[1] become what stands for the two ends. A packet that is too short for what it claims to be ends the program,
// which then gives worker 0.
var spread = assemble([]step{
	{code: loadIndex, k: 0},
	{code: loadFixed, k: etherType},
	{code: ifEqual, k: unix.ETH_P_8021Q, then: "tag"},
	{code: ifEqual, k: unix.ETH_P_8021AD, then: "tag"},
	{code: jump, then: "family"},
	{label: "tag", code: loadHalf, k: network + 2},
	{code: loadIndex, k: 4},
	{label: "family", code: ifEqual, k: unix.ETH_P_IP, then: "v4"},
	{code: ifEqual, k: unix.ETH_P_IPV6, then: "v6"},
	{code: loadFixed, k: frameHead + 2},
	{code: store, k: 0},
	{code: loadFixed, k: frameHead + 8},
	{code: jump, then: "second"},

	{label: "v4", code: loadByte, k: network + 9},
	{code: ifEqual, k: unix.IPPROTO_ICMP, then: "icmp"},
	{code: jump, then: "pair"},
	// A fragment is not looked into.
	{label: "icmp", code: loadHalf, k: network + 6},
	{code: and, k: 0x3fff},
	{code: ifEqual, k: 0, then: "icmp, whole"},
	{code: jump, then: "pair"},
	{label: "icmp, whole", code: storeX, k: 2},
	{code: loadByte, k: network},
	{code: and, k: 0xf},
	{code: shiftLeft, k: 2},
	{code: addX},
	{code: toX},
	{code: loadByte, k: network},
	{code: ifEqual, k: 3, then: "quote"},  // destination unreachable
	{code: ifEqual, k: 4, then: "quote"},  // source quench
	{code: ifEqual, k: 5, then: "quote"},  // redirect
	{code: ifEqual, k: 11, then: "quote"}, // time exceeded
	{code: ifEqual, k: 12, then: "quote"}, // parameter problem
	{code: recallX, k: 2},
	{label: "pair", code: loadWord, k: network + 12},
	{code: store, k: 0},
	{code: loadWord, k: network + 16},
	{code: jump, then: "second"},
	{label: "quote", code: loadWord, k: network + 8 + 12},
	{code: store, k: 0},
	{code: loadWord, k: network + 8 + 16},
	{code: jump, then: "second"},

	{label: "v6", code: loadByte, k: network + 6},
	{code: ifEqual, k: unix.IPPROTO_ICMPV6, then: "icmpv6"},
	{code: jump, then: "pair6"},
	{label: "icmpv6", code: loadByte, k: network + 40},
	{code: ifEqual, k: 1, then: "quote6"}, // destination unreachable
	{code: ifEqual, k: 2, then: "quote6"}, // packet too big
	{code: ifEqual, k: 3, then: "quote6"}, // time exceeded
	{code: ifEqual, k: 4, then: "quote6"}, // parameter problem
	{code: jump, then: "pair6"},
	{label: "quote6", code: storeX, k: 2}, // A = X + 48
	{code: unix.BPF_LD | unix.BPF_W | unix.BPF_IMM, k: 40 + 8},
	{code: addX},
	{code: toX},
	// The address words of each end, mixed by a fold in which their order does not matter.
	{label: "pair6", code: storeX, k: 2},
	{code: loadWord, k: network + 8},
	{code: store, k: 0},
	{code: loadWord, k: network + 12}, {code: recallX, k: 0}, {code: xorX}, {code: store, k: 0}, {code: recallX, k: 2},
	{code: loadWord, k: network + 16}, {code: recallX, k: 0}, {code: xorX}, {code: store, k: 0}, {code: recallX, k: 2},
	{code: loadWord, k: network + 20}, {code: recallX, k: 0}, {code: xorX}, {code: store, k: 0}, {code: recallX, k: 2},
	{code: loadWord, k: network + 24},
	{code: store, k: 1},
	{code: loadWord, k: network + 28}, {code: recallX, k: 1}, {code: xorX}, {code: store, k: 1}, {code: recallX, k: 2},
	{code: loadWord, k: network + 32}, {code: recallX, k: 1}, {code: xorX}, {code: store, k: 1}, {code: recallX, k: 2},
	{code: loadWord, k: network + 36}, {code: recallX, k: 1}, {code: xorX},

	// The same for either order: (a + b) and (a ^ b), each mixed by a multiplication.
	{label: "second", code: toX},
	{code: recall, k: 0},
	{code: addX},
	{code: times, k: 0x9e3779b1},
	{code: store, k: 1},
	{code: recall, k: 0},
	{code: xorX},
	{code: times, k: 0x85ebca77},
	{code: recallX, k: 1},
	{code: addX},
	{code: shiftRight, k: 16},
	{code: give},
})

// nothing lets no packet through.
var nothing = []unix.SockFilter{{Code: giveFixed, K: 0}}

// upTo lets every packet through, cut to a length.
func upTo(length int) []unix.SockFilter {
	return []unix.SockFilter{{Code: giveFixed, K: uint32(length)}}
}

// assemble resolves labels. A jump too far is a fault of the program above.
func assemble(steps []step) []unix.SockFilter {
	at := make(map[string]int)
	for i, s := range steps {
		if s.label != "" {
			at[s.label] = i
		}
	}
	list := make([]unix.SockFilter, len(steps))
	for i, s := range steps {
		f := unix.SockFilter{Code: s.code, K: s.k}
		if s.then != "" {
			far := at[s.then] - i - 1
			if far < 0 || far > 255 {
				panic(fmt.Sprintf("capture: a jump of %d steps to %q", far, s.then))
			}
			if s.code == jump {
				f.K = uint32(far)
			} else {
				f.Jt = uint8(far)
			}
		}
		list[i] = f
	}
	return list
}

// setProgram gives a classic BPF program to a socket.
func setProgram(fd, level, option int, code []unix.SockFilter) error {
	p := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&p)), unsafe.Sizeof(p), 0)
	if errno != 0 {
		return os.NewSyscallError("setsockopt", errno)
	}
	return nil
}

// share makes rings of one interface a group: each packet goes to one of them. The kernel chooses the number of the
// group, so that other programs and other sensors are not met. Which ring it is the program says, which looks into tunnels;
// without one, the program above.
func share(rings []*ring, program *os.File) error {
	kind := unix.PACKET_FANOUT_CBPF << 16
	if program != nil {
		kind = unix.PACKET_FANOUT_EBPF << 16
	}
	join := kind | unix.PACKET_FANOUT_FLAG_UNIQUEID<<16
	for i, r := range rings {
		if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, join); err != nil {
			return fmt.Errorf("capture: share the traffic among workers: %w", err)
		}
		if i > 0 {
			continue
		}
		group, err := unix.GetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
		if err != nil {
			return fmt.Errorf("capture: share the traffic among workers: %w", err)
		}
		join = kind | group&0xffff
		if program != nil {
			err = unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, int(program.Fd()))
		} else {
			err = setProgram(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, spread)
		}
		if err != nil {
			return fmt.Errorf("capture: share the traffic among workers: %w", err)
		}
	}
	return nil
}
