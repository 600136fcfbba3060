package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
)

// deb returns the Debian package of a platform's program. The program is static, so the package
// depends on nothing. The licences are packed beside the program, because nfpm reads files.
func (s source) deb(p platform, program string, licences []byte) (file, error) {
	third, err := tarball("", s.date, []file{{thirdParty, 0o644, licences}})
	if err != nil {
		return file{}, err
	}
	packed := program + "-licences.tar.gz"
	if err := os.WriteFile(packed, third, 0o600); err != nil {
		return file{}, err
	}
	in := func(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }
	about := nfpm.WithDefaults(&nfpm.Info{
		Name: "latchkey", Arch: p.arch, Version: s.version, MTime: s.date, DisableGlobbing: true,
		Section: "net", Homepage: "https://github.com/latchkey-auth/latchkey",
		Maintainer: "Latchkey's authors <https://github.com/latchkey-auth/latchkey>",
		Description: "authentication service on PostgreSQL\n" +
			"It registers users, logs them in, and issues tokens that other services check.",
		Overridables: nfpm.Overridables{
			Recommends: []string{"ca-certificates"},
			Suggests:   []string{"postgresql"},
			Contents: files.Contents{
				content("", "/etc/latchkey", files.TypeDir, 0o700),
				content(in("deploy/debian/latchkey.env"), "/etc/latchkey/latchkey.env", files.TypeConfig, 0o600),
				content(in("deploy/systemd/latchkey.service"), "/lib/systemd/system/latchkey.service", files.TypeFile, 0o644),
				content(program, "/usr/bin/latchkey", files.TypeFile, 0o755),
				content(in("LICENSE"), "/usr/share/doc/latchkey/copyright", files.TypeFile, 0o644),
				content(packed, "/usr/share/doc/latchkey/third-party-licenses.tar.gz", files.TypeFile, 0o644),
			},
			Scripts: nfpm.Scripts{
				PostInstall: in("deploy/debian/postinst"),
				PreRemove:   in("deploy/debian/prerm"),
				PostRemove:  in("deploy/debian/postrm"),
			},
		},
	})
	var data bytes.Buffer
	if err := deb.Default.Package(about, &data); err != nil {
		return file{}, err
	}
	return file{deb.Default.ConventionalFileName(about), 0o644, data.Bytes()}, nil
}

// content is a file or a folder of a package. Its mode doesn't depend on that of the source.
func content(source, target, kind string, mode fs.FileMode) *files.Content {
	return &files.Content{
		Source: source, Destination: target, Type: kind, FileInfo: &files.ContentFileInfo{Mode: mode},
	}
}
