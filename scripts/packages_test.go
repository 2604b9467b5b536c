package scripts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pack runs packages.sh into a new directory, for some architectures.
func pack(architectures string) (string, error) {
	dir, err := os.MkdirTemp(shared, "dist-")
	if err != nil {
		return "", err
	}
	script := exec.Command("./packages.sh")
	script.Env = append(os.Environ(), "DIST="+dir, "ARCHITECTURES="+architectures)
	if out, err := script.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("packages.sh: %w\n%s", err, out)
	}
	return dir, nil
}

// dist is where packages and images are, made once.
var dist = sync.OnceValues(func() (string, error) { return pack("amd64 arm64") })

// packed gives the one file of dist that fits the pattern.
func packed(t *testing.T, pattern string) string {
	t.Helper()
	dir, err := dist()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

// lacks skips a test where it cannot run; continuous integration has everything.
func lacks(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing, and CI has it", what)
	}
	t.Skipf("needs %s", what)
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		lacks(t, "root")
	}
}

func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lacks(t, p)
		}
	}
}

// output runs a command that must do without a word on standard error.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return string(out)
}

// contents are the files of each package with their modes; all belong to root.
var contents = map[string]map[string]string{
	"agent": {
		"/usr/bin/spanwatch-agent":                        "-rwxr-xr-x",
		"/etc/spanwatch/agent.yaml":                       "-rw-r--r--",
		"/usr/lib/systemd/system/spanwatch-agent.service": "-rw-r--r--",
		"/usr/lib/sysusers.d/spanwatch-agent.conf":        "-rw-r--r--",
		"/usr/share/spanwatch/seccomp.json":               "-rw-r--r--",
		"/usr/share/doc/spanwatch-agent/copyright":        "-rw-r--r--",
	},
	"cloud": {
		"/usr/bin/spanwatch-cloud":                        "-rwxr-xr-x",
		"/etc/spanwatch/cloud.env":                        "-rw-r--r--",
		"/usr/lib/systemd/system/spanwatch-cloud.service": "-rw-r--r--",
		"/usr/lib/sysusers.d/spanwatch-cloud.conf":        "-rw-r--r--",
		"/usr/share/doc/spanwatch-cloud/copyright":        "-rw-r--r--",
	},
}

// listed reads the list of an archive as tar and dpkg-deb print it, without directories and what is for the installer.
func listed(t *testing.T, list string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for line := range strings.Lines(list) {
		f := strings.Fields(line)
		mode, name := f[0], f[len(f)-1]
		name = strings.TrimPrefix(name, "./")
		if mode[0] == 'd' || name[0] == '.' {
			continue
		}
		if owner := strings.Join(f[1:len(f)-1], " "); !regexp.MustCompile(`^(root/root|0/0|1 root root) `).MatchString(owner) {
			t.Errorf("not root's: %s", line)
		}
		files["/"+strings.TrimPrefix(name, "/")] = mode
	}
	return files
}

func TestPackageContents(t *testing.T) {
	needs(t, "dpkg-deb", "tar", "rpm2cpio", "cpio")
	for program, want := range contents {
		for goarch, other := range map[string]string{"amd64": "x86_64", "arm64": "aarch64"} {
			deb := packed(t, "spanwatch-"+program+"_*_"+goarch+".deb")
			rpm := packed(t, "spanwatch-"+program+"-*."+other+".rpm")
			apk := packed(t, "spanwatch-"+program+"_*_"+other+".apk")
			cpio, err := exec.Command("sh", "-c", `rpm2cpio "$0" | cpio -tv --quiet`, rpm).Output()
			if err != nil {
				t.Fatal(err)
			}
			for kind, list := range map[string]string{
				deb: output(t, "dpkg-deb", "--contents", deb),
				rpm: string(cpio),
				apk: output(t, "tar", "--warning=no-unknown-keyword", "-tvzf", apk),
			} {
				if diff := cmp.Diff(want, listed(t, list)); diff != "" {
					t.Errorf("%s differs:\n%s", filepath.Base(kind), diff)
				}
			}
			fields := output(t, "dpkg-deb", "--field", deb, "Package", "Architecture", "Version", "Section")
			if want := regexp.MustCompile(`^Package: spanwatch-` + program + `\nArchitecture: ` + goarch + `\nVersion: \d\S*\nSection: net\n$`); !want.MatchString(fields) {
				t.Errorf("%s says of itself:\n%s", deb, fields)
			}
		}
	}
}

// installs is a disposable copy of this machine in which Debian's package manager does all that it does on a real one.
// What it changes is in memory, and gone with the process.
const installs = `
set -e
mount -t tmpfs none /mnt
mkdir /mnt/changes /mnt/work /mnt/machine
mount -t overlay none -o lowerdir=/,upperdir=/mnt/changes,workdir=/mnt/work /mnt/machine
cp "$0" /mnt/machine/tmp/x.deb
cp "$1" /mnt/machine/tmp/capture.pcap.gz
exec chroot /mnt/machine sh -exc "$2"
`

// The package is installed, installed again over a configuration that somebody changed, removed and purged.
func TestDebianInstalls(t *testing.T) {
	needsRoot(t)
	needs(t, "dpkg", "unshare", "chroot")
	for program, script := range map[string]string{
		"agent": `
			/usr/bin/spanwatch-agent replay --config /etc/spanwatch/agent.yaml /tmp/capture.pcap.gz >/dev/null
			conf=/etc/spanwatch/agent.yaml user=spanwatch`,
		"cloud": `conf=/etc/spanwatch/cloud.env user=spanwatch-cloud`,
	} {
		t.Run(program, func(t *testing.T) {
			script := "dpkg -i /tmp/x.deb\n" + script + `
				state=/var/lib/spanwatch/` + program + `
				test "$(id -u $user)" -gt 0
				/usr/bin/spanwatch-` + program + ` version
				mkdir -p $state
				echo '# mine' >>$conf
				dpkg -i /tmp/x.deb </dev/null
				grep -q '# mine' $conf
				dpkg -r spanwatch-` + program + `
				grep -q '# mine' $conf
				test -d $state
				test ! -e /usr/bin/spanwatch-` + program + `
				dpkg --purge spanwatch-` + program + `
				test ! -e $conf
				test ! -e $state
				echo 'and gone'`
			deb := packed(t, "spanwatch-"+program+"_*_"+runtime.GOARCH+".deb")
			out, err := exec.Command("unshare", "--mount", "sh", "-c", installs, deb, fixtures+"plant-normal.pcap.gz", script).CombinedOutput()
			if err != nil || !strings.HasSuffix(string(out), "and gone\n") {
				t.Fatalf("%v\n%s", err, out)
			}
			version := output(t, "dpkg-deb", "--field", deb, "Version")
			if short := strings.TrimSpace(version[strings.Index(version, "+")+1:]); !strings.Contains(string(out), short) {
				t.Errorf("the installed program does not say that it is %s:\n%s", version, out)
			}
		})
	}
}

// What is packed a second time, from files that another checkout would have made later, is the same. One architecture
// stands for both.
func TestPackagesAreReproducible(t *testing.T) {
	first, err := dist()
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("../packaging/*")
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	for _, name := range sources {
		if err := os.Chtimes(name, time.Time{}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	second, err := pack(runtime.GOARCH)
	defer os.RemoveAll(second)
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(second, "*.*"))
	if err != nil || len(names) != 8 { // of each program three packages, the image, the profile
		t.Fatalf("made %v, %v", names, err)
	}
	for _, name := range names {
		a, err1 := os.ReadFile(filepath.Join(first, filepath.Base(name)))
		b, err2 := os.ReadFile(name)
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs the second time; %v", filepath.Base(name), err)
		}
	}
}

// systemd-analyze ends well on keys that it does not know, but it says so.
func TestCollectorUnit(t *testing.T) {
	needs(t, "systemd-analyze")
	const unit, installed = "spanwatch-cloud.service", "/usr/bin/spanwatch-cloud"
	text, err := os.ReadFile("../packaging/" + unit)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("ExecStart="+installed+" run ")) {
		t.Errorf("%s does not start %s", unit, installed)
	}
	here := filepath.Join(t.TempDir(), unit)
	if err := os.WriteFile(here, bytes.ReplaceAll(text, []byte(installed), []byte(program(t, "cloud"))), 0o644); err != nil {
		t.Fatal(err)
	}
	if said := output(t, "systemd-analyze", "verify", "--man=no", here); said != "" {
		t.Error(said)
	}
}

// The program for arm64 finds what the one for this machine finds.
func TestArm64(t *testing.T) {
	needs(t, "qemu-aarch64-static")
	arm := packed(t, "arm64/spanwatch-agent")
	if out := output(t, "qemu-aarch64-static", arm, "version"); !strings.Contains(out, "linux/arm64") {
		t.Errorf("version says %s", out)
	}
	args := []string{"replay", "--json", "--verdicts", fixtures + "verdicts.jsonl", fixtures + "plant-attack.pcap.gz"}
	there, err := exec.Command("qemu-aarch64-static", append([]string{arm}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	here, err := exec.Command(packed(t, runtime.GOARCH+"/spanwatch-agent"), args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(records(t, here), records(t, there)); diff != "" {
		t.Errorf("another processor, other records:\n%s", diff)
	}
}

// records gives the lines of a replay without what depends on the machine.
func records(t *testing.T, lines []byte) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(string(lines)) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		for _, measured := range []string{"wall_seconds", "cpu_seconds", "max_rss_bytes"} {
			delete(r, measured)
		}
		all = append(all, r)
	}
	if len(all) < 50 {
		t.Fatalf("only %d records", len(all))
	}
	return all
}
