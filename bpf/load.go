package bpf

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"sync"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// Config says how much the programs keep and let through. Zero values take the defaults.
type Config struct {
	Flows int    // conversations counted apart; default 65,536, less where very many CPUs would make a huge table
	First uint32 // packets of each conversation, on each CPU, that pass at first; default 32
	Snap  int    // bytes of a packet that a socket is given; default 65,536, at least 256
}

const (
	defaultFlows = 65536
	defaultFirst = 32
	defaultSnap  = 65536
	minSnap      = 256 // so that whatever the programs looked at reaches user space too
	// maxTable bounds the memory of the table of conversations, which has room for each on every CPU.
	maxTable = 256 << 20
)

// ErrUnsupported is wrapped where the kernel does not let the programs run; the message says why.
var ErrUnsupported = errors.New("bpf: not possible here")

// Objects are the programs and their tables in the kernel.
type Objects struct {
	maps     map[string]*ebpf.Map
	programs map[string]*ebpf.Program // none in a process that was only given the tables
	cpus     int

	mu      sync.Mutex
	sweep   sweep
	marked  map[kernelKey]struct{}
	options kernelOptions
}

// tables are the maps that user space works with, with the sizes of their keys and values.
var tables = map[string][2]uintptr{
	kernelMapFlows:    {unsafe.Sizeof(kernelKey{}), unsafe.Sizeof(kernelFlow{})},
	kernelMapMarks:    {unsafe.Sizeof(kernelKey{}), 4},
	kernelMapTotals:   {4, unsafe.Sizeof(kernelSums{})},
	kernelMapSettings: {4, unsafe.Sizeof(kernelOptions{})},
}

// Load puts the programs into the kernel; nothing runs before it is attached. The error wraps [ErrUnsupported].
func Load(c Config) (*Objects, error) {
	spec, err := loadKernel()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return load(c, spec)
}

func load(c Config, spec *ebpf.CollectionSpec) (*Objects, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("%w: number of CPUs: %w", ErrUnsupported, err)
	}
	spec.Maps[kernelMapFlows].MaxEntries = entries(c.Flows, cpus)
	// Kernels before 5.11 count the tables against a limit. Without permission to lift it, they may still fit.
	_ = rlimit.RemoveMemlock()
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, unsupported(err)
	}
	o := &Objects{
		maps: make(map[string]*ebpf.Map), programs: maps.Clone(coll.Programs), cpus: cpus, marked: make(map[kernelKey]struct{}),
	}
	for name := range tables {
		o.maps[name] = coll.DetachMap(name)
	}
	for name := range o.programs {
		coll.DetachProgram(name)
	}
	coll.Close()
	o.options.First, o.options.Snap = c.First, uint32(max(c.Snap, minSnap))
	if c.First == 0 {
		o.options.First = defaultFirst
	}
	if c.Snap == 0 {
		o.options.Snap = defaultSnap
	}
	if err := o.configure(); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// entries is how many conversations fit.
func entries(want, cpus int) uint32 {
	if want <= 0 {
		want = defaultFlows
	}
	return uint32(min(want, maxTable/(cpus*int(unsafe.Sizeof(kernelFlow{})))))
}

// unsupported turns what the kernel said into what can be done about it.
func unsupported(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case errors.Is(err, unix.EPERM) && capable():
		return fmt.Errorf("%w: this process has the capability BPF, but something forbids bpf(): in a container, give it the seccomp profile "+
			"that comes with this program: %w", ErrUnsupported, unix.EPERM)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: no permission to load programs: run as root, or with the capabilities BPF, NET_ADMIN and PERFMON: %w", ErrUnsupported, err)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w: kernel %s is too old or built without it; 5.18 is needed: %w", ErrUnsupported, release(), err)
	case errors.As(err, &verifier):
		return fmt.Errorf("%w: the verifier of kernel %s refuses the programs: %w", ErrUnsupported, release(), err)
	}
	return fmt.Errorf("%w: kernel %s: %w", ErrUnsupported, release(), err)
}

// capable says whether the kernel itself would let this process load programs.
func capable() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // of 32 capabilities each
	return unix.Capget(&header, &sets[0]) == nil && sets[unix.CAP_BPF/32].Effective&(1<<(unix.CAP_BPF%32)) != 0
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "(unknown)"
	}
	return string(bytes.TrimRight(u.Release[:], "\x00"))
}

// FromFDs works with tables that another process loaded; see [Objects.FDs]. The descriptors remain the caller's.
func FromFDs(fds map[string]int) (*Objects, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("bpf: number of CPUs: %w", err)
	}
	o := &Objects{maps: make(map[string]*ebpf.Map), cpus: cpus, marked: make(map[kernelKey]struct{})}
	for name, size := range tables {
		m, err := table(fds, name, size)
		if err != nil {
			return nil, errors.Join(err, o.Close())
		}
		o.maps[name] = m
	}
	if err := o.maps[kernelMapSettings].Lookup(uint32(0), &o.options); err != nil {
		return nil, errors.Join(fmt.Errorf("bpf: settings: %w", err), o.Close())
	}
	return o, nil
}

func table(fds map[string]int, name string, size [2]uintptr) (*ebpf.Map, error) {
	fd, ok := fds[name]
	if !ok {
		return nil, fmt.Errorf("bpf: table %s is missing", name)
	}
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("bpf: table %s: %w", name, err)
	}
	m, err := ebpf.NewMapFromFD(fd)
	if err != nil {
		return nil, fmt.Errorf("bpf: table %s: %w", name, err)
	}
	if uintptr(m.KeySize()) != size[0] || uintptr(m.ValueSize()) != size[1] {
		err := fmt.Errorf("bpf: table %s has keys of %d and values of %d bytes, want %d and %d", name, m.KeySize(), m.ValueSize(), size[0], size[1])
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// FDs gives the descriptors of the tables, which remain the Objects' own.
func (o *Objects) FDs() map[string]int {
	fds := make(map[string]int, len(o.maps))
	for name, m := range o.maps {
		fds[name] = m.FD()
	}
	return fds
}

// Close lets go of programs and tables. What is attached remains until it is detached too.
func (o *Objects) Close() error {
	var err error
	for _, m := range o.maps {
		err = errors.Join(err, m.Close())
	}
	for _, p := range o.programs {
		err = errors.Join(err, p.Close())
	}
	return err
}

// SetPorts says of which ports every packet passes. It replaces those that were set before.
func (o *Objects) SetPorts(tcp, udp []uint16) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.options.Ports = [2][1024]uint64{}
	for i, ports := range [][]uint16{tcp, udp} {
		for _, p := range ports {
			o.options.Ports[i][p/64] |= 1 << (p % 64)
		}
	}
	return o.configure()
}

func (o *Objects) configure() error {
	if err := o.maps[kernelMapSettings].Put(uint32(0), &o.options); err != nil {
		return fmt.Errorf("bpf: settings: %w", err)
	}
	return nil
}
