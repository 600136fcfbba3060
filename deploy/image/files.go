package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// file is a file of a layer, without a date.
type file struct {
	name   string // the path in the image, without the first slash
	source string // the file on this machine
	link   string // the target, if it is a symbolic link
	mode   fs.FileMode
	owner  int // both the user and the group
}

// filesBelow returns everything below a folder, for the folder to in the image. The modes don't
// depend on the umask under which the files were made. Only a folder may be closed to others.
func filesBelow(folder, to string, owner int) ([]file, error) {
	var files []file
	err := filepath.WalkDir(folder, func(source string, entry fs.DirEntry, err error) error {
		if err != nil || source == folder {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, source)
		if err != nil {
			return err
		}
		f := file{name: path.Join(to, filepath.ToSlash(name)), source: source, mode: 0o644, owner: owner}
		switch mode := info.Mode(); {
		case mode&fs.ModeSymlink != 0:
			f.mode = fs.ModeSymlink | 0o777
			if f.link, err = os.Readlink(source); err != nil {
				return err
			}
		case mode.IsDir() && mode.Perm() == 0o700:
			f.mode = fs.ModeDir | 0o700
		case mode.IsDir():
			f.mode = fs.ModeDir | 0o755
		case mode&0o100 != 0:
			f.mode = 0o755
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// layerOf returns a layer with the files and the folders above them.
func layerOf(files []file, made time.Time) (v1.Layer, error) {
	have := map[string]bool{}
	for _, f := range files {
		have[f.name] = true
	}
	for _, f := range slices.Clone(files) {
		for dir := path.Dir(f.name); dir != "." && !have[dir]; dir = path.Dir(dir) {
			have[dir] = true
			files = append(files, file{name: dir, mode: fs.ModeDir | 0o755})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, f := range files {
		if err := f.write(w, made); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(text.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}

// write writes the file to a layer.
func (f file) write(w *tar.Writer, made time.Time) error {
	header := tar.Header{
		Name: f.name, Mode: int64(f.mode.Perm()), Uid: f.owner, Gid: f.owner, ModTime: made, Format: tar.FormatPAX,
	}
	switch {
	case f.mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, f.name+"/"
		return w.WriteHeader(&header)
	case f.link != "":
		header.Typeflag, header.Linkname = tar.TypeSymlink, f.link
		return w.WriteHeader(&header)
	}
	content, err := os.ReadFile(f.source)
	if err != nil {
		return err
	}
	header.Typeflag, header.Size = tar.TypeReg, int64(len(content))
	if err := w.WriteHeader(&header); err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}
