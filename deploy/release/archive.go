package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// file is a file of a package or of the release. A folder's name ends in a slash.
type file struct {
	name string
	mode int64 // the bits of the permissions
	data []byte
}

// write writes a file of the release to a folder.
func (f file) write(dir string) error {
	return os.WriteFile(filepath.Join(dir, f.name), f.data, 0o644)
}

// tarball packs files into a compressed archive. folder is prepended to their names. They belong to
// root and have the same time.
func tarball(folder string, at time.Time, files []file) ([]byte, error) {
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(zip)
	for _, f := range files {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: folder + f.name, Size: int64(len(f.data)), Mode: f.mode,
			ModTime: at, Format: tar.FormatUSTAR,
		}
		if strings.HasSuffix(header.Name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// writeSums writes the checksums of all files in a folder, for `sha256sum --check`.
func writeSums(dir string) error {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return err
	}
	var sums bytes.Buffer
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), sums.Bytes(), 0o644)
}
