package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture/live/livetest"
)

const (
	floodRate = 6000000 // about what the sender is capable of
	bulkBytes = 1400
	otBytes   = 90
	otPort    = 47808 // the wanted port of this benchmark
	bulkPort  = 5201
	bulkFlows = 1000
	otFlows   = 64
	headBytes = 72 // of a frame that are its own
)

// template is a frame that is sent again and again. With each repetition the numbers go on: those of TCP, and that of the
// transaction of Modbus, which has its place at the beginning of the content. As the program in the kernel has it.
type template struct {
	head                  [headBytes]byte
	length                uint32
	seq, ack, transaction uint32 // what is added with each repetition
}

// Offsets in a template and in a frame with Ethernet, IPv4 and TCP.
const (
	placeLength      = headBytes
	placeSeq         = headBytes + 4
	placeAck         = headBytes + 8
	placeTransaction = headBytes + 12
	templateBytes    = headBytes + 16

	atSeq         = 38
	atAck         = 42
	atTransaction = 54
)

// frameOf makes a template of a frame that does not change.
func frameOf(frame []byte) (t template) {
	copy(t.head[:], frame)
	t.length = uint32(len(frame))
	return t
}

// bulk are conversations of 1,400-byte frames.
func bulk() (list []template) {
	for i := range bulkFlows {
		d := livetest.Datagram{
			Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), uint16(21000+i)), Dst: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 2}), bulkPort),
			Proto: 17, Payload: make([]byte, bulkBytes-42),
		}
		list = append(list, frameOf(d.Frame()))
	}
	return list
}

// wanted are conversations of short frames at the wanted port.
func wanted() (list []template) {
	for i := range otFlows {
		d := livetest.Datagram{
			Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 3}), uint16(31000+i)), Dst: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 4}), otPort),
			Proto: 17, Payload: make([]byte, otBytes-42),
		}
		list = append(list, frameOf(d.Frame()))
	}
	return list
}

// exchanges are polls of controllers over Modbus: a question and its answer for each.
func exchanges() (list []template) {
	ask := []byte{0, 0, 0, 0, 0, 6, 1, 3, 0, 16, 0, 1}
	tell := []byte{0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 7}
	for i := range otFlows {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(1 + i)}), 40000)
		server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 1, byte(1 + i)}), 502)
		question := livetest.Datagram{Src: client, Dst: server, Proto: 6, Flags: 0x18, Seq: 1, Ack: 1, Payload: ask}
		answer := livetest.Datagram{Src: server, Dst: client, Proto: 6, Flags: 0x18, Seq: 1, Ack: uint32(1 + len(ask)), Payload: tell}
		asked, told := frameOf(question.Frame()), frameOf(answer.Frame())
		asked.seq, asked.ack, asked.transaction = uint32(len(ask)), uint32(len(tell)), 1
		told.seq, told.ack, told.transaction = uint32(len(tell)), uint32(len(ask)), 1
		list = append(list, asked, told)
	}
	return list
}

// generator makes frames inside the kernel and puts them on a cable as a network card would: without a packet of the
// kernel's around them. The program keeps its rhythm itself.
type generator struct {
	program       *ebpf.Program
	state, frames *ebpf.Map
	many, few     int
	manyOf, fewOf uint64 // in which proportion they are sent when there is no rate
	manySent      uint64 // of the last send
	fewSent       uint64
	burst         []byte
}

// Places in the state, all of them of 64 bits.
const (
	placeDue      = 8 * iota // when the next frame is due, ns
	placeInterval            // ns between frames
	placeTurn                // grows by placeStep with each frame; when it reaches placeRound, one of the few is sent
	placeStep
	placeRound
	placeMany // frames sent so far
	placeFew
	stateBytes
)

// newGenerator sends to the interface at whose other end the monitored one is: of total frames, part are of the few.
func newGenerator(to string, many, few []template, part, total uint64) (g *generator, err error) {
	i, err := net.InterfaceByName(to)
	if err != nil {
		return nil, err
	}
	g = &generator{many: len(many), few: len(few), fewOf: part, manyOf: total, burst: make([]byte, bulkBytes)}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	if g.state, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: stateBytes, MaxEntries: 1}); err != nil {
		return g, err
	}
	g.frames, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: templateBytes, MaxEntries: uint32(len(many) + len(few))})
	if err != nil {
		return g, err
	}
	for n, t := range append(many[:len(many):len(many)], few...) {
		value := binary.NativeEndian.AppendUint32(t.head[:], t.length)
		for _, add := range []uint32{t.seq, t.ack, t.transaction} {
			value = binary.NativeEndian.AppendUint32(value, add)
		}
		if err := g.frames.Put(uint32(n), value); err != nil {
			return g, err
		}
	}
	g.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{Name: "bench_sender", Type: ebpf.XDP, License: "GPL", Instructions: g.instructions(int32(i.Index))})
	return g, err
}

func (g *generator) close() (err error) {
	if g.program != nil {
		err = g.program.Close()
	}
	for _, m := range []*ebpf.Map{g.state, g.frames} {
		if m != nil {
			err = errors.Join(err, m.Close())
		}
	}
	return err
}

// instructions of the sender. R6 is the context, R7 the frame, R8 the number of the repetition, R9 the state.
func (g *generator) instructions(to int32) asm.Instructions {
	const spin = 400 // rounds of waiting at most, some 20 ns each
	list := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMapValue(asm.R9, g.state.FD(), 0),
		// Wait until the frame is due.
		asm.Mov.Imm(asm.R7, spin),
		asm.FnKtimeGetNs.Call().WithSymbol("wait"),
		asm.LoadMem(asm.R1, asm.R9, placeDue, asm.DWord),
		asm.JGE.Reg(asm.R0, asm.R1, "due"),
		asm.Sub.Imm(asm.R7, 1),
		asm.JNE.Imm(asm.R7, 0, "wait"),
		// The next one is due an interval later; what was missed for longer is not made up for: queues are short.
		asm.LoadMem(asm.R2, asm.R9, placeInterval, asm.DWord).WithSymbol("due"),
		asm.Mov.Reg(asm.R3, asm.R1),
		asm.Add.Imm(asm.R3, int32(20*time.Microsecond)),
		asm.JGE.Reg(asm.R3, asm.R0, "on time"),
		asm.Mov.Reg(asm.R1, asm.R0),
		asm.Add.Reg(asm.R1, asm.R2).WithSymbol("on time"),
		asm.StoreMem(asm.R9, placeDue, asm.R1, asm.DWord),

		// One of the many or of the few: R1 is which, R8 how often it was sent.
		asm.LoadMem(asm.R1, asm.R9, placeTurn, asm.DWord),
		asm.LoadMem(asm.R2, asm.R9, placeStep, asm.DWord),
		asm.LoadMem(asm.R3, asm.R9, placeRound, asm.DWord),
		asm.Add.Reg(asm.R1, asm.R2),
		asm.JGE.Reg(asm.R1, asm.R3, "few"),
		asm.StoreMem(asm.R9, placeTurn, asm.R1, asm.DWord),
	}
	list = append(list, next(placeMany, g.many, 0)...)
	list = append(list, asm.Ja.Label("fill"))
	few := append(asm.Instructions{
		asm.Sub.Reg(asm.R1, asm.R3).WithSymbol("few"),
		asm.StoreMem(asm.R9, placeTurn, asm.R1, asm.DWord),
	}, next(placeFew, max(g.few, 1), g.many)...)
	list = append(append(list, few...),
		asm.StoreMem(asm.RFP, -4, asm.R1, asm.Word).WithSymbol("fill"),
		asm.LoadMapPtr(asm.R1, g.frames.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "drop"),
		asm.LoadMem(asm.R7, asm.R6, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R6, 4, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R7),
		asm.Add.Imm(asm.R4, headBytes),
		asm.JGT.Reg(asm.R4, asm.R3, "drop"),
	)
	for at := int16(0); at < headBytes; at += 8 {
		list = append(list, asm.LoadMem(asm.R1, asm.R0, at, asm.DWord), asm.StoreMem(asm.R7, at, asm.R1, asm.DWord))
	}
	for _, n := range []struct {
		at, place int16
		size      asm.Size
	}{{atSeq, placeSeq, asm.Word}, {atAck, placeAck, asm.Word}, {atTransaction, placeTransaction, asm.Half}} {
		list = append(list,
			asm.LoadMem(asm.R1, asm.R0, n.place, asm.Word),
			asm.Mul.Reg(asm.R1, asm.R8),
			asm.LoadMem(asm.R2, asm.R7, n.at, n.size),
			asm.HostTo(asm.BE, asm.R2, n.size),
			asm.Add.Reg(asm.R2, asm.R1),
			asm.HostTo(asm.BE, asm.R2, n.size),
			asm.StoreMem(asm.R7, n.at, asm.R2, n.size),
		)
	}
	return append(list,
		asm.LoadMem(asm.R2, asm.R0, placeLength, asm.Word),
		asm.Sub.Imm(asm.R2, bulkBytes),
		asm.JEq.Imm(asm.R2, 0, "send"),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.FnXdpAdjustTail.Call(),
		asm.Mov.Imm(asm.R1, to).WithSymbol("send"),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("drop"), // XDP_DROP
		asm.Return(),
	)
}

// next counts a frame at a place of the state: R1 becomes which of n templates from first on it is, R8 how often that was
// sent.
func next(place int16, n, first int) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R1, asm.R9, place, asm.DWord),
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.Add.Imm(asm.R2, 1),
		asm.StoreMem(asm.R9, place, asm.R2, asm.DWord),
		asm.Mov.Reg(asm.R8, asm.R1),
		asm.Div.Imm(asm.R8, int32(n)),
		asm.Mod.Imm(asm.R1, int32(n)),
		asm.Add.Imm(asm.R1, int32(first)),
	}
}

// send sends for about a duration, rate frames a second, or when rate is 0 as fast as it can. Repetitions go on where the
// last send left off.
func (g *generator) send(rate int, d time.Duration) (sent uint64, err error) {
	state := make([]uint64, stateBytes/8)
	if err := g.state.Lookup(uint32(0), state); err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	many, few := state[placeMany/8], state[placeFew/8]
	state[placeDue/8], state[placeInterval/8], state[placeStep/8], state[placeRound/8] = 0, 0, g.fewOf, g.manyOf
	if rate == 0 {
		rate = floodRate
	} else {
		state[placeInterval/8] = uint64(time.Second) / uint64(rate)
	}
	if err := g.state.Put(uint32(0), state); err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	frames := uint32(d.Seconds() * float64(rate))
	_, err = g.program.Run(&ebpf.RunOptions{Data: g.burst, Repeat: max(frames, 256), Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, BatchSize: 256})
	if err != nil {
		return 0, fmt.Errorf("bench: send: %w", err)
	}
	if err := g.state.Lookup(uint32(0), state); err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	g.manySent, g.fewSent = state[placeMany/8]-many, state[placeFew/8]-few
	return g.manySent + g.fewSent, nil
}
