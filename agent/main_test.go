package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"spanwatch-agent": main,
		"frames":          frames,
		"get":             get,
	})
}

// TestCommands runs the command line as people and scripts do. $FIXTURES is the folder of the project's recordings.
func TestCommands(t *testing.T) {
	fixtures, err := filepath.Abs("../scripts/lab/fixtures")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("FIXTURES", fixtures)
			env.Setenv("TMPDIR", env.WorkDir)
			return openFolder(env.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"lab": lab, "await": await, "manager": manager},
		Condition: func(cond string) (bool, error) {
			if cond == "root" && os.Getuid() != 0 && os.Getenv("CI") != "" {
				return false, errors.New("namespaces need root, and CI has it")
			}
			return cond == "root" && os.Getuid() == 0, nil
		},
	})
}
