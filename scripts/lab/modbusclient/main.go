// Modbusclient is every Modbus client of the lab: the operator panel, the SCADA server, the
// engineering station and the attacking laptop, which differ in what they ask and how often.
//
// It owns nothing but its connections, one a server, each used by one goroutine. It speaks to the
// addresses it is given and to no others, and every run is bounded: polling ends with the process,
// everything else after one round.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goburrow/modbus"
	"golang.org/x/sync/errgroup"
)

const usage = `usage: modbusclient poll  -every 1s -read 3:0:20,4:0:8 [-heartbeat 2 -beat 10s] ADDRESS...
       modbusclient identify ADDRESS...
       modbusclient read  -read 3:0:20 ADDRESS...
       modbusclient write ADDRESS=REGISTER:VALUE[,VALUE...]...   one value: function 6, several: function 16`

var commands = map[string]func(ctx context.Context, args []string) error{
	"poll":     poll,
	"identify": identify,
	"read":     read,
	"write":    write,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err := commands[os.Args[1]](ctx, os.Args[2:]); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "modbusclient:", err)
		os.Exit(1)
	}
}

// connect opens the connection to port 502 of address, unit 1.
func connect(address string) (*modbus.TCPClientHandler, error) {
	h := modbus.NewTCPClientHandler(address + ":502")
	h.SlaveId = 1
	h.Timeout = 3 * time.Second
	h.IdleTimeout = time.Minute
	return h, h.Connect()
}

// A request is one read that is made again and again: function 1 to 4, first address, quantity.
type request struct {
	function     int
	first, count uint16
}

func parseRequests(s string) ([]request, error) {
	var out []request
	for _, part := range strings.Split(s, ",") {
		var r request
		if _, err := fmt.Sscanf(part, "%d:%d:%d", &r.function, &r.first, &r.count); err != nil || reads[r.function] == nil {
			return nil, fmt.Errorf("read %q is not FUNCTION:FIRST:COUNT with function 1 to 4", part)
		}
		out = append(out, r)
	}
	return out, nil
}

var reads = map[int]func(c modbus.Client, first, count uint16) ([]byte, error){
	1: modbus.Client.ReadCoils,
	2: modbus.Client.ReadDiscreteInputs,
	3: modbus.Client.ReadHoldingRegisters,
	4: modbus.Client.ReadInputRegisters,
}

func poll(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("poll", flag.ExitOnError)
	every := flags.Duration("every", time.Second, "time between two rounds")
	what := flags.String("read", "3:0:20", "requests of a round")
	heartbeat := flags.Int("heartbeat", -1, "register that is counted up, none if negative")
	beat := flags.Duration("beat", 10*time.Second, "time between two heartbeats")
	flags.Parse(args)
	requests, err := parseRequests(*what)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for i, address := range flags.Args() {
		g.Go(func() error {
			// Real panels do not ask all their controllers at the same instant.
			time.Sleep(time.Duration(i) * 130 * time.Millisecond)
			return pollOne(ctx, address, requests, *every, *heartbeat, *beat)
		})
	}
	return g.Wait()
}

func pollOne(ctx context.Context, address string, requests []request, every time.Duration, heartbeat int, beat time.Duration) error {
	h, err := connect(address)
	if err != nil {
		return err
	}
	defer h.Close()
	client := modbus.NewClient(h)
	round := time.NewTicker(every)
	defer round.Stop()
	pulse := time.NewTicker(beat)
	defer pulse.Stop()
	for count := uint16(0); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-pulse.C:
			if heartbeat < 0 {
				continue
			}
			count++
			if _, err := client.WriteSingleRegister(uint16(heartbeat), count); err != nil {
				return fmt.Errorf("heartbeat to %s: %w", address, err)
			}
		case <-round.C:
			for _, r := range requests {
				if _, err := reads[r.function](client, r.first, r.count); err != nil {
					return fmt.Errorf("read %d:%d:%d of %s: %w", r.function, r.first, r.count, address, err)
				}
			}
		}
	}
}

// identify asks each server for its basic, then its regular identification (function 43/14).
func identify(ctx context.Context, args []string) error {
	for _, address := range args {
		h, err := connect(address)
		if err != nil {
			return err
		}
		for _, category := range []byte{1, 2} {
			answer, err := identification(h, category)
			if err != nil {
				h.Close()
				return fmt.Errorf("identify %s: %w", address, err)
			}
			fmt.Printf("%s %q\n", address, answer)
		}
		h.Close()
	}
	return ctx.Err()
}

// identification returns the data behind function code 43 of the answer (MODBUS V1.1b3 §6.21).
func identification(h *modbus.TCPClientHandler, category byte) ([]byte, error) {
	pdu := modbus.ProtocolDataUnit{FunctionCode: 43, Data: []byte{14, category, 0}}
	ask, err := h.Encode(&pdu)
	if err != nil {
		return nil, err
	}
	raw, err := h.Send(ask)
	if err != nil {
		return nil, err
	}
	answer, err := h.Decode(raw)
	if err != nil {
		return nil, err
	}
	if answer.FunctionCode != pdu.FunctionCode {
		return nil, fmt.Errorf("answer has function %#x", answer.FunctionCode)
	}
	return answer.Data, nil
}

func read(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("read", flag.ExitOnError)
	what := flags.String("read", "3:0:20", "requests")
	flags.Parse(args)
	requests, err := parseRequests(*what)
	if err != nil {
		return err
	}
	for _, address := range flags.Args() {
		h, err := connect(address)
		if err != nil {
			return err
		}
		for _, r := range requests {
			data, err := reads[r.function](modbus.NewClient(h), r.first, r.count)
			fmt.Printf("%s %d:%d:%d %x %v\n", address, r.function, r.first, r.count, data, err)
		}
		h.Close()
	}
	return ctx.Err()
}

// write makes the writes in the order given. A refusal is printed: the lab wants some.
func write(ctx context.Context, args []string) error {
	for _, arg := range args {
		address, first, values, err := parseWrite(arg)
		if err != nil {
			return err
		}
		h, err := connect(address)
		if err != nil {
			return err
		}
		client := modbus.NewClient(h)
		if len(values) == 1 {
			_, err = client.WriteSingleRegister(first, values[0])
		} else {
			_, err = client.WriteMultipleRegisters(first, uint16(len(values)), words(values))
		}
		h.Close()
		if refusal := (*modbus.ModbusError)(nil); err != nil && !errors.As(err, &refusal) {
			return fmt.Errorf("write %s: %w", arg, err)
		}
		fmt.Println(arg, err)
	}
	return ctx.Err()
}

func parseWrite(arg string) (address string, first uint16, values []uint16, err error) {
	address, rest, ok := strings.Cut(arg, "=")
	register, list, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 {
		return "", 0, nil, fmt.Errorf("write %q is not ADDRESS=REGISTER:VALUE", arg)
	}
	for i, s := range append([]string{register}, strings.Split(list, ",")...) {
		v, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return "", 0, nil, fmt.Errorf("write %q: %w", arg, err)
		}
		if i == 0 {
			first = uint16(v)
		} else {
			values = append(values, uint16(v))
		}
	}
	return address, first, values, nil
}

func words(values []uint16) []byte {
	var out []byte
	for _, v := range values {
		out = binary.BigEndian.AppendUint16(out, v)
	}
	return out
}
