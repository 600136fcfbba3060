package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// make test does a step again if one of its inputs has changed. The test changes a file, and looks
// which of the lists of inputs are new. A change that no step notices would pass untested.
func TestMakeNoticesChanges(t *testing.T) {
	t.Parallel()
	const steps = "check-generated client lint lint-contract lint-web specmatic test-binary test-client " +
		"test-deploy test-generators test-matrix test-release test-web"
	root := filepath.Join(t.TempDir(), "copy")
	shell := func(script, argument string) {
		t.Helper()
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", script, "bash", root, argument)
		cmd.Dir = filepath.Join("..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	inputs := func() map[string]string {
		t.Helper()
		shell(`cd "$1" && make -s $(printf 'bin/inputs/%s ' $2)`, steps)
		lists := map[string]string{}
		for _, step := range strings.Fields(steps) {
			text, err := os.ReadFile(filepath.Join(root, "bin", "inputs", step))
			if err != nil {
				t.Fatal(err)
			}
			lists[step] = string(text)
		}
		return lists
	}
	const folders = "--exclude=./.git --exclude=./bin --exclude=./dist " +
		"--exclude=node_modules --exclude=made --exclude=.work"
	shell(`mkdir "$1" && tar -cf - $2 . | tar -xf - -C "$1"`, folders)
	before := inputs()
	for _, test := range []struct{ change, want string }{
		{"true", ""},
		{"echo >>impl/cors.go",
			"lint specmatic test-binary test-client test-deploy test-generators test-matrix test-release test-web"},
		{"echo >impl/auth/new.go",
			"lint specmatic test-binary test-client test-deploy test-generators test-matrix test-release test-web"},
		{"rm impl/cors_test.go", "lint test-binary"},
		{"echo >>openapi.yaml", "check-generated lint-contract test-binary test-release"},
		{"echo >>web/client/src/index.ts", "client lint-web test-binary test-client test-matrix test-web"},
		{"echo >>web/e2e/demo.test.ts", "lint-web test-binary test-web"},
		{"echo >>docs/nextjs.md", "test-binary test-matrix"},
		{"echo >>README.md", "test-binary test-release"},
	} {
		shell(`cd "$1" && eval "$2"`, test.change)
		after := inputs()
		var changed []string
		for step, list := range after {
			if list != before[step] {
				changed = append(changed, step)
			}
		}
		slices.Sort(changed)
		if diff := cmp.Diff(test.want, strings.Join(changed, " ")); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", test.change, diff)
		}
		before = after
	}
}
