// Command image makes the container image of Latchkey without Docker. It reads the image's settings
// from the last stage of the Dockerfile, and takes its files from the folders that root.sh has
// made. The same input gives the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("image: ")
	if err := run(os.Args[1:], os.Getenv); err != nil {
		log.Fatal(err)
	}
}

// platforms is a flag that may be repeated: OS/ARCH=FOLDER.
type platforms []platform

type platform struct {
	v1.Platform
	folder string
}

func (p platforms) String() string { return fmt.Sprint(len(p), " platforms") }

func (p *platforms) Set(text string) error {
	name, folder, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("it must be OS/ARCH=FOLDER")
	}
	parsed, err := v1.ParsePlatform(name)
	if err != nil {
		return err
	}
	*p = append(*p, platform{*parsed, folder})
	return nil
}

func run(args []string, getenv func(string) string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	var roots platforms
	flags.Var(&roots, "root", "OS/ARCH=FOLDER that root.sh has made; may be repeated")
	dockerfile := flags.String("dockerfile", "Dockerfile", "the Dockerfile")
	version := flags.String("version", "dev", "the version, which becomes the tag")
	out := flags.String("out", "", "folder of the images, which is replaced")
	var trials platforms
	flags.Var(&trials, "trial", "OS/ARCH=FOLDER of npm's package @embedded-postgres, for a trial image of this platform")
	shell := flags.String("shell", "", "shell of the trial image")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if len(roots) == 0 || *out == "" || (len(trials) > 0) != (*shell != "") {
		return errors.New("it needs -out and -root, and -shell with -trial")
	}
	made, err := dateOf(getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	final, err := readDockerfile(*dockerfile)
	if err != nil {
		return err
	}
	b := builder{stage: final, version: *version, made: made}
	var all []tagged
	for _, p := range roots {
		img, err := b.image(p)
		if err != nil {
			return err
		}
		all = append(all, tagged{*version, p.Platform, img})
	}
	for _, p := range trials {
		i := slices.IndexFunc(roots, func(root platform) bool { return root.Platform.Equals(p.Platform) })
		if i < 0 {
			return fmt.Errorf("-trial %s needs a -root of this platform", p.Platform)
		}
		img, err := b.trial(all[i].img, p.folder, *shell)
		if err != nil {
			return err
		}
		all = append(all, tagged{*version + "-trial", p.Platform, img})
	}
	if err := os.RemoveAll(*out); err != nil {
		return err
	}
	return errors.Join(writeLayout(filepath.Join(*out, "oci"), all), writeArchives(*out, all))
}

// dateOf returns the date of the image and of its files. Without SOURCE_DATE_EPOCH it is 1970.
func dateOf(epoch string) (time.Time, error) {
	if epoch == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
