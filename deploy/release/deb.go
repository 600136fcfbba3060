package main

import (
	"bytes"
	"crypto/md5" //nolint:gosec // dpkg's own form of checksums
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// deb returns the Debian package of a platform, in the form of deb(5).
func (s source) deb(p platform, binary, licences []byte) (file, error) {
	from, err := s.read("deploy/systemd/latchkey.service", "deploy/debian/latchkey.env", "LICENSE",
		"deploy/debian/postinst", "deploy/debian/prerm", "deploy/debian/postrm")
	if err != nil {
		return file{}, err
	}
	unit, settings, licence, scripts := from[0], from[1], from[2], from[3:]
	third, err := tarball("", s.date, []file{{thirdParty, 0o644, licences}})
	if err != nil {
		return file{}, err
	}
	contents := []file{
		{"etc/latchkey/latchkey.env", 0o600, settings.data},
		{"lib/systemd/system/latchkey.service", 0o644, unit.data},
		{"usr/bin/latchkey", 0o755, binary},
		{"usr/share/doc/latchkey/copyright", 0o644, licence.data},
		{"usr/share/doc/latchkey/third-party-licenses.tar.gz", 0o644, third},
	}
	data, err := tarball("./", s.date, withFolders(contents, map[string]int64{"etc/latchkey": 0o700}))
	if err != nil {
		return file{}, err
	}
	version := strings.Replace(s.version, "-", "~", 1) // ~ sorts before the release
	about := []file{
		{"control", 0o644, control(p, version, contents)},
		{"conffiles", 0o644, []byte("/etc/latchkey/latchkey.env\n")},
		{"md5sums", 0o644, md5sums(contents)},
	}
	for _, script := range scripts {
		about = append(about, file{script.name, 0o755, script.data})
	}
	packed, err := tarball("./", s.date, withFolders(about, nil))
	if err != nil {
		return file{}, err
	}
	return file{"latchkey_" + version + "_" + p.arch + ".deb", 0o644, ar(s.date,
		file{"debian-binary", 0o644, []byte("2.0\n")},
		file{"control.tar.gz", 0o644, packed},
		file{"data.tar.gz", 0o644, data},
	)}, nil
}

// control describes the package. The binary is static, so it depends on nothing.
func control(p platform, version string, contents []file) []byte {
	size := 0
	for _, f := range contents {
		size += len(f.data)
	}
	return fmt.Appendf(nil, `Package: latchkey
Version: %s
Architecture: %s
Maintainer: Latchkey's authors <https://github.com/latchkey-auth/latchkey>
Installed-Size: %d
Recommends: ca-certificates
Suggests: postgresql
Section: net
Priority: optional
Homepage: https://github.com/latchkey-auth/latchkey
Description: authentication service on PostgreSQL
 It registers users, logs them in, and issues tokens that other services check.
`, version, p.arch, (size+1023)/1024)
}

func md5sums(contents []file) []byte {
	var sums []byte
	for _, f := range contents {
		sums = fmt.Appendf(sums, "%x  %s\n", md5.Sum(f.data), f.name) //nolint:gosec // as above
	}
	return sums
}

// withFolders adds the folders of files before them: mode 0755, or the given one.
func withFolders(files []file, modes map[string]int64) []file {
	seen := map[string]bool{}
	var all []file
	for _, f := range files {
		var missing []file
		for dir := path.Dir(f.name); !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			mode, ok := modes[dir]
			if !ok {
				mode = 0o755
			}
			missing = append(missing, file{name: strings.TrimPrefix(dir+"/", "./"), mode: mode})
		}
		slices.Reverse(missing)
		all = append(append(all, missing...), f)
	}
	return all
}

// ar returns an archive in the form of ar(5), which a Debian package is.
func ar(at time.Time, files ...file) []byte {
	var text bytes.Buffer
	text.WriteString("!<arch>\n")
	for _, f := range files {
		fmt.Fprintf(&text, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", f.name, at.Unix(), 0, 0, 0o100000|f.mode, len(f.data))
		text.Write(f.data)
		if len(f.data)%2 == 1 {
			text.WriteByte('\n')
		}
	}
	return text.Bytes()
}
