package bpf

import (
	"fmt"
	"slices"
)

// Features names the programs and tables for the kernel that this build carries: "program xdp (XDP)", "table flows
// (LRUPerCPUHash)". Whether a kernel takes them, [Load] tells.
func Features() ([]string, error) {
	spec, err := loadKernel()
	if err != nil {
		return nil, fmt.Errorf("bpf: %w", err)
	}
	var all []string
	for name, p := range spec.Programs {
		all = append(all, fmt.Sprintf("program %s (%s)", name, p.Type))
	}
	for name, m := range spec.Maps {
		if name[0] != '.' { // of constants, which the compiler makes
			all = append(all, fmt.Sprintf("table %s (%s)", name, m.Type))
		}
	}
	slices.Sort(all)
	return all, nil
}
