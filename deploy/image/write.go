package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// refName is the annotation that names an image in a layout (OCI image layout 1.0).
const refName = "org.opencontainers.image.ref.name"

// tagged is an image with its tag.
type tagged struct {
	tag      string
	platform v1.Platform
	img      v1.Image
}

// writeLayout writes an OCI image layout, with one index for each tag. It is for tools that push,
// such as crane and skopeo.
func writeLayout(folder string, images []tagged) error {
	path, err := layout.Write(folder, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return err
	}
	for len(images) > 0 {
		tag := images[0].tag
		index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
		for len(images) > 0 && images[0].tag == tag {
			index = mutate.AppendManifests(index, mutate.IndexAddendum{
				Add: images[0].img, Descriptor: v1.Descriptor{Platform: &images[0].platform},
			})
			images = images[1:]
		}
		if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{refName: tag})); err != nil {
			return err
		}
	}
	return nil
}

// writeArchives writes a file for each image that `docker load` and `podman load` read, such as
// latchkey-linux-amd64.tar.
func writeArchives(folder string, images []tagged) error {
	for _, t := range images {
		tag, err := name.NewTag("latchkey:" + t.tag)
		if err != nil {
			return err
		}
		base := "latchkey"
		if strings.HasSuffix(t.tag, "-trial") {
			base += "-trial"
		}
		path := filepath.Join(folder, fmt.Sprintf("%s-%s-%s.tar", base, t.platform.OS, t.platform.Architecture))
		if err := tarball.WriteToFile(path, tag, t.img); err != nil {
			return err
		}
	}
	return nil
}
