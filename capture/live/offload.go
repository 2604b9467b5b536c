package live

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtool commands and flags of linux/ethtool.h.
const (
	ethtoolSetGRO   = 0x2c
	ethtoolGetGRO   = 0x2b
	ethtoolGetFlags = 0x25
	ethtoolSetFlags = 0x26
	flagLRO         = 1 << 15
	flagTags        = 1 << 8
)

// separate switches off what merges frames on reception, and says what could not be: the sensor wants to see frames as
// they were on the wire.
func separate(name string) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "offloads unknown: " + err.Error()
	}
	defer unix.Close(fd)
	var left []string
	if v, err := ethtool(fd, name, ethtoolGetGRO, 0); err == nil && v != 0 {
		if _, err := ethtool(fd, name, ethtoolSetGRO, 0); err != nil {
			left = append(left, "GRO: "+err.Error())
		}
	}
	if v, err := ethtool(fd, name, ethtoolGetFlags, 0); err == nil && v&flagLRO != 0 {
		if _, err := ethtool(fd, name, ethtoolSetFlags, v&^flagLRO); err != nil {
			left = append(left, "LRO: "+err.Error())
		}
	}
	return strings.Join(left, ", ")
}

// Merging says what merges frames on reception at an interface: "GRO", "LRO", both, or nothing. It changes nothing.
func Merging(name string) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var on []string
	if v, err := ethtool(fd, name, ethtoolGetGRO, 0); err == nil && v != 0 {
		on = append(on, "GRO")
	}
	if v, err := ethtool(fd, name, ethtoolGetFlags, 0); err == nil && v&flagLRO != 0 {
		on = append(on, "LRO")
	}
	return strings.Join(on, " and ")
}

// ethtool asks for, or sets, one value.
func ethtool(fd int, name string, command, value uint32) (uint32, error) {
	v := struct{ command, data uint32 }{command, value}
	var request struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	request.data = unsafe.Pointer(&v)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return 0, errno
	}
	return v.data, nil
}

// keepTags has the card leave VLAN tags in the frames, where a program in the driver sees them.
func keepTags(name string) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "VLAN tags unknown: " + err.Error()
	}
	defer unix.Close(fd)
	if v, err := ethtool(fd, name, ethtoolGetFlags, 0); err == nil && v&flagTags != 0 {
		if _, err := ethtool(fd, name, ethtoolSetFlags, v&^flagTags); err != nil {
			return "VLAN tags: " + err.Error()
		}
	}
	return ""
}
