package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/oasdiff/yaml"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// The parts of a page that aren't run must not contain anything that could be run.

var (
	indented   = regexp.MustCompile(`(?m)^(?: {4}|\t).*`)
	inlineCode = regexp.MustCompile("`([^`\n]+)`")
	program    = regexp.MustCompile(`^(?:[A-Z_]+=\S+ )*(latchkey|make|go|npm|npx|node|curl|bash|sh|docker|psql) (\S.*)`)
	makeTarget = regexp.MustCompile(`(?m)^([a-z-]+):`)
	longFlag   = regexp.MustCompile(`--[a-z-]+`)
)

// checkProse checks a page outside of its blocks. It refuses code that is marked only by its
// indentation, because nothing runs that code. It also refuses commands within a line that the
// programs don't know.
func checkProse(root, page, text string) error {
	prose := codeBlock.ReplaceAllString(text, "")
	if line := indented.FindString(prose); line != "" {
		return fmt.Errorf("code belongs in fences, where it is run or compiled; this line is indented: %q", line)
	}
	for _, match := range inlineCode.FindAllStringSubmatch(prose, -1) {
		command := strings.ReplaceAll(match[1], `\|`, "|") // tables escape it
		found := program.FindStringSubmatch(command)
		if found == nil {
			continue
		}
		if err := checkCommand(root, filepath.Dir(page), found[1], strings.Fields(found[2])); err != nil {
			return fmt.Errorf("`%s`: %w", command, err)
		}
	}
	return nil
}

// checkCommand fails if the program doesn't know the command. It doesn't run the command.
func checkCommand(root, dir, program string, words []string) error {
	switch program {
	case "latchkey":
		return checkOwnCommand(words)
	case "make":
		makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
		if err != nil {
			return err
		}
		for _, target := range makeTarget.FindAllStringSubmatch(string(makefile), -1) {
			if target[1] == words[0] {
				return nil
			}
		}
		return fmt.Errorf("the Makefile has no such target")
	case "go":
		for _, word := range words {
			if strings.HasPrefix(word, "./") && !strings.Contains(word, "...") {
				if _, err := os.Stat(filepath.Join(root, word)); err != nil {
					return err
				}
			}
		}
		return nil
	case "npm":
		return checkScript(dir, words)
	}
	return fmt.Errorf("put it into an sh block, which is run")
}

// checkOwnCommand looks up each named command, such as user create|list, and its flags in the
// binary's help.
func checkOwnCommand(words []string) error {
	path, flags := []string{}, []string{}
	for _, word := range words {
		if longFlag.MatchString(word) {
			flags = append(flags, longFlag.FindString(word))
		} else if strings.ToLower(word) == word && len(flags) == 0 { // upper case, such as ID, is a placeholder
			path = append(path, word)
		}
	}
	last := len(path) - 1
	if last < 0 {
		return fmt.Errorf("it names no command")
	}
	for alternative := range strings.SplitSeq(path[last], "|") {
		args := append(append([]string{}, path[:last]...), alternative)
		out, err := runHere(append(args, "--help")...)
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		// For an unknown command the binary shows the help of the command above.
		usage := regexp.MustCompile(`(?m)^ +latchkey ` + regexp.QuoteMeta(strings.Join(args, " ")) + `( |$)`)
		if !usage.MatchString(out) {
			return fmt.Errorf("there is no command %v", args)
		}
		for _, flag := range flags {
			if !strings.Contains(out, flag) {
				return fmt.Errorf("%v has no flag %s", args, flag)
			}
		}
	}
	return nil
}

// checkScript looks up a script in the package.json of the page's folder.
func checkScript(dir string, words []string) error {
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return err
	}
	var manifest struct{ Scripts map[string]string }
	if err := json.Unmarshal(text, &manifest); err != nil {
		return err
	}
	if len(words) != 2 || words[0] != "run" || manifest.Scripts[words[1]] == "" {
		return fmt.Errorf("the package has no such script")
	}
	return nil
}

// checkText refuses a command in a block of text, such as a diagram.
func checkText(block string) error {
	for line := range strings.Lines(block) {
		if program.MatchString(strings.TrimLeft(line, " $#")) {
			return fmt.Errorf("commands belong in sh blocks, which are run: %q", line)
		}
	}
	return nil
}

var (
	yamlSetting = regexp.MustCompile(`\{name: (LATCHKEY_\w+), value: "?([^"}]*)"?\}`)
	yamlPath    = regexp.MustCompile(`\{path: ([^,}]+)`)
)

// checkYAML refuses a manifest that can't be parsed, has a wrong setting, or names a path that the
// server doesn't have. A setting's file isn't read.
func checkYAML(block string) error {
	var document any
	if _, err := yaml.Unmarshal([]byte(block), &document, yaml.DecodeOpts{}); err != nil {
		return err
	}
	var environ []string
	for _, m := range yamlSetting.FindAllStringSubmatch(block, -1) {
		name, isFile := strings.CutSuffix(m[1], "_FILE")
		switch {
		case !isKnown(name, known()):
			return fmt.Errorf("%s is not a setting", m[1])
		case !isFile:
			environ = append(environ, m[1]+"="+m[2])
		}
	}
	for _, m := range yamlPath.FindAllStringSubmatch(block, -1) {
		if impltest.Contract().Paths.Find(m[1]) == nil {
			return fmt.Errorf("the contract has no path %s", m[1])
		}
	}
	_, err := loadSettings(environ)
	return err
}

// compileGo compiles a program of a page with this module.
func compileGo(root, dir, text string) error {
	file := filepath.Join(dir, "page.go")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	cmd := exec.Command("go", "vet", file)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Every way to show something that doesn't work is refused.
func TestPagesAreChecked(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(root, "web", "demo", "README.md")
	for name, prose := range map[string]string{
		"an indented block":         "This:\n\n    latchkey serve\n",
		"a block with a tab":        "This:\n\n\tlatchkey serve\n",
		"a command that isn't":      "Call `latchkey nothing`.",
		"a subcommand that isn't":   "Call `latchkey key nothing`.",
		"one of several that isn't": "Call `latchkey user create\\|nothing`.",
		"a flag that isn't":         "Call `latchkey key retire --nothing`.",
		"a target that isn't":       "Call `make nothing`.",
		"a package that isn't":      "Call `go run ./nothing`.",
		"a script that isn't":       "Call `npm run nothing`.",
		"what is not looked at":     "Call `curl http://127.0.0.1:8000/healthz`.",
		"behind a variable":         "Call `LATCHKEY_ADDR=127.0.0.1:1 latchkey nothing`.",
	} {
		if checkProse(root, page, prose) == nil {
			t.Errorf("%s passes", name)
		}
	}
	good := "`latchkey user create|list`, `latchkey key retire ID`, `latchkey key retire --all`, `make test`, " +
		"`npm run dev`, `go run ./cmd/latchkey`, `make bench BENCH='-d 2s'`.\n" +
		"\n```text\n    a diagram\n```\n"
	if err := checkProse(root, page, good); err != nil {
		t.Error(err)
	}
	if checkText("a ──► b\n  $ latchkey serve\n") == nil || checkText("a ──► b\n") != nil {
		t.Error("a diagram is refused, or a command in a diagram is accepted")
	}
	for name, block := range map[string]string{
		"what is not YAML":      "a: [b",
		"a setting that isn't":  "- {name: LATCHKEY_ADRR, value: x}\n",
		"a value that is wrong": "- {name: LATCHKEY_LOG_FORMAT, value: xml}\n",
		"a path that isn't":     "httpGet: {path: /livez, port: http}\n",
	} {
		if checkYAML(block) == nil {
			t.Errorf("%s passes", name)
		}
	}
	if compileGo(root, t.TempDir(), "package main\n\nfunc main() { nothing() }\n") == nil {
		t.Error("a program that can't be compiled passes")
	}
}

// The licence that the contract and the client's package name lies in the repository and in the
// package.
func TestLicence(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, folder := range []string{".", filepath.Join("web", "client")} {
		text, err := os.ReadFile(filepath.Join("..", "..", folder, "LICENSE"))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if texts[0] != texts[1] {
		t.Error("the client's LICENSE differs")
	}
	for _, part := range []string{"Apache License\n", "Version 2.0, January 2004", "END OF TERMS AND CONDITIONS"} {
		if !strings.Contains(texts[0], part) {
			t.Errorf("LICENSE has no %q", part)
		}
	}
	manifest, err := os.ReadFile(filepath.Join("..", "..", "web", "client", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	got := impltest.Contract().Info.License.Name
	if got != "Apache-2.0" || !bytes.Contains(manifest, []byte(`"license": "Apache-2.0"`)) {
		t.Errorf("the contract names %s, the package another one", got)
	}
}

// make demo installs the few packages that the server and the demo run with, as make run does, and
// not all that the tests need.
func TestDemoInstallsLittle(t *testing.T) {
	t.Parallel()
	command := exec.Command("make", "--dry-run", "--always-make", "demo")
	command.Dir = filepath.Join("..", "..")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	installs := regexp.MustCompile(`(?m)^.*npm ci.*$`).FindAllString(string(out), -1)
	if len(installs) != 1 || !strings.Contains(installs[0], "--omit=dev") {
		t.Errorf("make demo installs by %q, want one npm ci without what development needs", installs)
	}
}
