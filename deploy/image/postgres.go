package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// postgresFolder is the place of PostgreSQL in the trial image.
const postgresFolder = "usr/lib/postgresql"

// unused matches the files of the package that the server never opens: libraries to link with, and
// languages whose interpreters aren't in the image.
var unused = regexp.MustCompile(`^lib/([^/]*\.a|pkgconfig/.*|pkgconfig|libecpg.*|libpgtypes.*|` +
	`postgresql/(pgxs|pgxs/.*|.*(plperl|plpython3|pltcl).*))$`)

// library matches a line of ldd with the path of a library, or of the loader.
var library = regexp.MustCompile(`(?m)^\t(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$`)

// loaded are the programs and the modules of the package that the trial image runs.
var loaded = []string{"bin/postgres", "bin/initdb", "lib/postgresql/plpgsql.so", "lib/postgresql/dict_snowball.so"}

var errMissingLibrary = errors.New("a shared library is missing")

// postgresFiles returns the PostgreSQL of the npm package, with its links, and the libraries of
// this machine that it loads.
func postgresFiles(pkg string) ([]file, error) {
	native, err := filepath.Abs(filepath.Join(pkg, "native"))
	if err != nil {
		return nil, err
	}
	all, err := filesBelow(native, "", 0)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, f := range all {
		if f.name != "pg-symlinks.json" && !unused.MatchString(f.name) {
			f.name = path.Join(postgresFolder, f.name)
			files = append(files, f)
		}
	}
	links, err := packageLinks(pkg)
	if err != nil {
		return nil, err
	}
	libraries, err := systemLibraries(native, links)
	if err != nil {
		return nil, err
	}
	return slices.Concat(files, links, libraries), nil
}

// packageLinks returns the symbolic links that the package lists, because npm packages have none.
func packageLinks(pkg string) ([]file, error) {
	text, err := os.ReadFile(filepath.Join(pkg, "native", "pg-symlinks.json"))
	if err != nil {
		return nil, err
	}
	var list []struct{ Source, Target string }
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	var links []file
	for _, l := range list {
		name, inside := strings.CutPrefix(l.Target, "native/")
		if !inside || path.Dir(l.Source) != path.Dir(l.Target) {
			return nil, fmt.Errorf("the link %s to %s", l.Target, l.Source)
		}
		if !unused.MatchString(name) {
			link := file{name: path.Join(postgresFolder, name), link: path.Base(l.Source), mode: fs.ModeSymlink | 0o777}
			links = append(links, link)
		}
	}
	return links, nil
}

// systemLibraries returns the libraries that ldd names for the programs and that aren't in the
// package, such as the C library. They are copied to the same paths, where the loader expects them.
func systemLibraries(native string, links []file) ([]file, error) {
	// ldd finds a library of the package by its link. A folder of links alone makes them known.
	dir, err := os.MkdirTemp("", "latchkey-libraries-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it has nothing but links
	for _, l := range links {
		target := filepath.Join(native, "lib", l.link)
		if err := os.Symlink(target, filepath.Join(dir, path.Base(l.name))); err != nil {
			return nil, err
		}
	}
	found := map[string]bool{}
	for _, name := range loaded {
		cmd := exec.Command("ldd", filepath.Join(native, name))
		cmd.Env = append(os.Environ(), "LC_ALL=C", "LD_LIBRARY_PATH="+dir+":"+filepath.Join(native, "lib"))
		output, err := cmd.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("ldd %s: %w: %s", name, err, output)
		}
		if strings.Contains(string(output), "not found") {
			return nil, fmt.Errorf("%w: ldd %s: %s", errMissingLibrary, name, output)
		}
		for _, match := range library.FindAllStringSubmatch(string(output), -1) {
			if !strings.HasPrefix(match[1], dir) && !strings.HasPrefix(match[1], native) {
				found[match[1]] = true
			}
		}
	}
	var files []file
	for name := range found {
		files = append(files, file{name: strings.TrimPrefix(name, "/"), source: name, mode: 0o755})
	}
	return files, nil
}
