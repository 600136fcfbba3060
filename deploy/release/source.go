package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// source is the released commit, in a folder of its own.
type source struct {
	dir      string
	version  string
	contract string // info.version of openapi.yaml
	commit   string
	date     time.Time // of the commit; every file of the release has this time
	// toolchain is the version of Go in go.mod. Another one would make other bytes.
	toolchain string
	settings  []string // variables of the environment: where Go finds and keeps modules
}

// clone clones the last commit of the clone at root.
func clone(ctx context.Context, root, dir string) (source, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return source{}, err
	}
	top, err := git(ctx, root, "rev-parse", "--show-toplevel")
	if err != nil {
		return source{}, err
	}
	if _, err := git(ctx, root, "clone", "--quiet", "--local", top, dir); err != nil {
		return source{}, err
	}
	head, err := git(ctx, dir, "log", "-1", "--format=%H %cI")
	if err != nil {
		return source{}, err
	}
	commit, committed, _ := strings.Cut(head, " ")
	date, err := time.Parse(time.RFC3339, committed)
	if err != nil {
		return source{}, err
	}
	tags, err := git(ctx, dir, "tag", "--points-at", "HEAD")
	if err != nil {
		return source{}, err
	}
	s := source{dir: dir, commit: commit, date: date.UTC()}
	if s.settings, err = goSettings(ctx); err != nil {
		return source{}, err
	}
	if s.contract, err = s.find("openapi.yaml", `(?m)^  version: (\d+\.\d+\.\d+)$`); err != nil {
		return source{}, err
	}
	if s.toolchain, err = s.find("go.mod", `(?m)^toolchain (go[\w.]+)$`); err != nil {
		return source{}, err
	}
	s.version, err = version(s.contract, strings.Fields(tags), commit, s.date)
	return s, err
}

// version returns the version of the contract if the commit has its tag, and otherwise one that
// sorts before it: 0.7.0-dev.20261127062134.g0123456789ab.
func version(contract string, tags []string, commit string, date time.Time) (string, error) {
	if slices.Contains(tags, "v"+contract) {
		return contract, nil
	}
	for _, tag := range tags {
		if strings.HasPrefix(tag, "v") {
			return "", fmt.Errorf("the commit has the tag %s, but openapi.yaml has the version %s", tag, contract)
		}
	}
	return fmt.Sprintf("%s-dev.%s.g%.12s", contract, date.Format("20060102150405"), commit), nil
}

// find returns what the group of a pattern matches in a file of the source.
func (s source) find(name, pattern string) (string, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return "", err
	}
	match := regexp.MustCompile(pattern).FindSubmatch(text)
	if match == nil {
		return "", fmt.Errorf("%s has nothing like %s", name, pattern)
	}
	return string(match[1]), nil
}

// read reads files of the source. They get their base names.
func (s source) read(names ...string) ([]file, error) {
	var files []file
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return nil, err
		}
		files = append(files, file{filepath.Base(name), 0o644, data})
	}
	return files, nil
}

// build builds a static binary.
func (s source) build(ctx context.Context, p platform, program string) error {
	flags := fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s -X main.date=%s",
		s.version, s.commit, s.date.Format(time.RFC3339))
	_, err := s.command(ctx, p, "go", "build", "-trimpath", "-ldflags", flags, "-o", program, "./cmd/latchkey")
	return err
}

// command runs a program in the source, with the settings of Go that fix the bytes of a binary.
func (s source) command(ctx context.Context, p platform, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = s.dir
	for _, v := range os.Environ() {
		key, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(key, "CGO_") && !slices.Contains(changing, key) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GOOS="+p.os, "GOARCH="+p.arch, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false",
		"GOTOOLCHAIN="+s.toolchain, "GOENV=off", "GOWORK=off", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory",
		"GIT_CONFIG_VALUE_0=*")
	cmd.Env = append(cmd.Env, s.settings...)
	return output(cmd)
}

// goSettings returns the settings that say where modules come from and where they are kept. They
// may stand in the file that GOENV=off leaves unread.
func goSettings(ctx context.Context) ([]string, error) {
	names := []string{"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOCACHE", "GOMODCACHE"}
	out, err := output(exec.CommandContext(ctx, "go", append([]string{"env"}, names...)...))
	if err != nil {
		return nil, err
	}
	for i, value := range strings.SplitN(string(out), "\n", len(names)) {
		names[i] += "=" + strings.TrimSpace(value)
	}
	return names, nil
}

// changing are the variables that change what Go builds.
var changing = []string{
	"GOOS", "GOARCH", "GOFLAGS", "GOTOOLCHAIN", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOROOT", "GOFIPS140",
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	// The clone may belong to another user, such as a container's mount.
	out, err := output(exec.CommandContext(ctx, "git", append([]string{"-c", "safe.directory=*", "-C", dir}, args...)...))
	return strings.TrimSpace(string(out)), err
}

// output returns what a command prints. Its error has the command's own words.
func output(cmd *exec.Cmd) ([]byte, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.TrimSpace(said.String()))
	}
	return out, nil
}
