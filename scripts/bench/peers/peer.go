package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A peer is a program that reads captures, as its users run it on one core.
type peer struct {
	name    string
	does    string                                          // what it does with the capture
	command func(b bench, capture, scratch string) []string // nil: not here
	result  func(output, scratch string) (string, error)    // what it extracted, in words; nil: nothing
}

var tsharkFields = []string{
	"-e", "frame.number", "-e", "ip.src", "-e", "ip.dst", "-e", "mbtcp.trans_id", "-e", "modbus.func_code", "-e", "modbus.reference_num", "-e", "modbus.word_cnt",
	"-e", "s7comm.header.rosctr", "-e", "s7comm.param.func", "-e", "s7comm.param.item", "-e", "opcua.servicenodeid.numeric", "-e", "opcua.transport.type",
}

var peers = []peer{
	{
		name: "spanwatch-agent replay", does: "dissection, inventory, graph, variables, detection",
		command: func(b bench, capture, scratch string) []string {
			return []string{b.agent, "replay", "--workers", "1", "--json", capture}
		},
		result: ours,
	},
	{
		name: "tcpdump -w", does: "copies the packets, reads nothing",
		command: func(_ bench, capture, _ string) []string {
			return []string{"tcpdump", "-r", capture, "-w", os.DevNull}
		},
	},
	{
		name: "ndpiReader", does: "gives each flow a protocol",
		command: func(_ bench, capture, _ string) []string { return []string{"ndpiReader", "-q", "-i", capture} },
		result:  ndpiFlows,
	},
	{
		name: "Suricata 7, Modbus parsed, no log", does: "rules' engine without rules, flows, Modbus parser",
		command: func(b bench, capture, scratch string) []string { return suricata(b, capture, scratch, "quiet") },
	},
	{
		name: "Suricata 7 with its log", does: "the same, and a record of each Modbus message and flow",
		command: func(b bench, capture, scratch string) []string { return suricata(b, capture, scratch, "log") },
		result:  suricataRecords,
	},
	{
		name: "tshark -T fields", does: "dissects each packet, a line each",
		command: func(_ bench, capture, _ string) []string {
			return append([]string{"tshark", "-n", "-r", capture, "-T", "fields"}, tsharkFields...)
		},
		result: func(output, _ string) (string, error) {
			n, err := lines(output)
			return fmt.Sprintf("%d lines", n), err
		},
	},
}

// suricata runs in the chroot that the install script makes, where the captures are mounted.
func suricata(b bench, capture, scratch, config string) []string {
	if b.chroot == "" {
		return nil
	}
	inside, err := filepath.Rel(b.chroot, scratch)
	if err != nil {
		return nil
	}
	return []string{
		"chroot", b.chroot, "suricata", "-c", "/bench/" + config + ".yaml", "--runmode", "single", "-k", "none", "-S", "/dev/null",
		"-l", "/" + inside, "-r", "/bench/captures/" + filepath.Base(capture),
	}
}

func suricataRecords(_, scratch string) (string, error) {
	n, err := lines(filepath.Join(scratch, "eve.json"))
	return fmt.Sprintf("%d records", n), err
}

// ndpiFlows gives the number of flows that were told apart.
func ndpiFlows(output, _ string) (string, error) {
	text, err := os.ReadFile(output)
	if err != nil {
		return "", err
	}
	_, rest, found := bytes.Cut(text, []byte("Unique flows:"))
	if !found {
		return "", nil
	}
	return string(bytes.Fields(rest)[0]) + " flows", nil
}

// ours gives what the summary record says.
func ours(output, _ string) (string, error) {
	file, err := os.Open(output)
	if err != nil {
		return "", err
	}
	defer file.Close()
	var summary struct {
		Kind                                  string
		Messages                              map[string]uint64
		Conversations, Devices, Edges, Alerts uint64
	}
	in := bufio.NewScanner(file)
	in.Buffer(nil, 64<<20)
	variables := 0
	for in.Scan() {
		switch {
		case bytes.Contains(in.Bytes(), []byte(`"kind":"summary"`)):
			if err := json.Unmarshal(in.Bytes(), &summary); err != nil {
				return "", err
			}
		case bytes.Contains(in.Bytes(), []byte(`"kind":"variable"`)):
			variables++
		}
	}
	if err := in.Err(); err != nil {
		return "", err
	}
	if summary.Kind == "" {
		return "", errors.New("the sensor gave no summary")
	}
	messages := uint64(0)
	for _, n := range summary.Messages {
		messages += n
	}
	return fmt.Sprintf("%d messages, %d conversations, %d devices, %d edges, %d variables", messages, summary.Conversations, summary.Devices, summary.Edges, variables), nil
}

func lines(path string) (n int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 1<<20)
	for {
		_, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return n, nil
		}
		n++
	}
}

// versions gives what the programs say of themselves.
func (b bench) versions() (all []string) {
	ask := [][]string{{b.agent, "version"}, {"tshark", "--version"}, {"tcpdump", "--version"}, {"ndpiReader", "-h"}}
	if b.chroot != "" {
		ask = append(ask, []string{"chroot", b.chroot, "suricata", "-V"})
	}
	for _, args := range ask {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil && len(out) == 0 {
			continue // not here: it has no row either
		}
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, "as user") && strings.TrimSpace(line) != "" {
				all = append(all, strings.TrimSpace(line))
				break
			}
		}
	}
	return all
}
