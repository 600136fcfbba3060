// Command release makes everything that a release publishes, of the last commit: archives with a
// static binary for each platform, Debian packages, npm packages, a bill of materials for each
// binary, and the checksums of all of them. Two runs on the same commit make the same bytes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	var names string
	flag.StringVar(&o.root, "root", ".", "the clone")
	flag.StringVar(&o.out, "out", filepath.Join("dist", "release"), "the folder of the results; it is made anew")
	flag.StringVar(&names, "platforms", strings.Join(platformNames(), ","), "the platforms")
	flag.Parse()
	var err error
	if o.platforms, err = choose(names); err != nil {
		return err
	}
	return release(ctx, o)
}

// options are what a release is made of and where to.
type options struct {
	root      string // a folder of the clone whose last commit is released
	out       string
	platforms []platform
	otherGo   bool // for tests: make archives by whatever Go runs this
}

// platform is a system that a release has a binary for.
type platform struct {
	os, arch string // Go's names
	npmArch  string // Node's name of arch; the name of the system is the same
}

func (p platform) name() string { return p.os + "_" + p.arch }

var platforms = []platform{
	{"linux", "amd64", "x64"}, {"linux", "arm64", "arm64"}, {"darwin", "amd64", "x64"}, {"darwin", "arm64", "arm64"},
}

func platformNames() []string {
	var names []string
	for _, p := range platforms {
		names = append(names, p.name())
	}
	return names
}

func choose(names string) ([]platform, error) {
	var chosen []platform
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(platforms, func(p platform) bool { return p.name() == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no platform %q; known are %s", name, strings.Join(platformNames(), ", "))
		}
		chosen = append(chosen, platforms[at])
	}
	return chosen, nil
}

// release makes the files in a clone of the last commit, so that uncommitted files don't matter.
func release(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "latchkey-release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	src, err := clone(ctx, o.root, filepath.Join(dir, "source"))
	if err != nil {
		return err
	}
	if !o.otherGo && runtime.Version() != src.toolchain {
		return fmt.Errorf("%s would compress differently: set GOTOOLCHAIN=%s", runtime.Version(), src.toolchain)
	}
	if err := errors.Join(os.RemoveAll(o.out), os.MkdirAll(o.out, 0o755)); err != nil {
		return err
	}
	fmt.Printf("latchkey %s, commit %s\n", src.version, src.commit)
	for _, p := range o.platforms {
		fmt.Println(p.name())
		if err := src.releasePlatform(ctx, o, p, filepath.Join(dir, p.name())); err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
	}
	launcher, err := src.launcherPackage()
	if err != nil {
		return err
	}
	if err := launcher.write(o.out); err != nil {
		return err
	}
	return writeSums(o.out)
}

// releasePlatform writes the files of one platform.
func (s source) releasePlatform(ctx context.Context, o options, p platform, program string) error {
	if err := s.build(ctx, p, program); err != nil {
		return err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	parts, err := s.parts(ctx, p)
	if err != nil {
		return err
	}
	licences := licencesOf(parts)
	own, err := s.read("LICENSE", "README.md", "CHANGELOG.md")
	if err != nil {
		return err
	}
	base := "latchkey_" + s.version + "_" + p.name()
	archive, err := tarball(base+"/", s.date, append(own,
		file{"latchkey", 0o755, binary}, file{thirdParty, 0o644, licences}))
	if err != nil {
		return err
	}
	bill, err := s.bill(ctx, p, parts)
	if err != nil {
		return err
	}
	npm, err := s.platformPackage(p, binary, own[0], licences)
	if err != nil {
		return err
	}
	made := []file{{base + ".tar.gz", 0o644, archive}, {base + ".cdx.json", 0o644, bill}, npm}
	if p.os == "linux" {
		deb, err := s.deb(p, program, licences)
		if err != nil {
			return err
		}
		made = append(made, deb)
	}
	for _, f := range made {
		if err := f.write(o.out); err != nil {
			return err
		}
	}
	return nil
}
