package deploy

import (
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
)

// TestCompose: the file is valid under the Compose specification, its parts name each other, the
// build gets what the Dockerfile takes, and the server takes its settings.
func TestCompose(t *testing.T) {
	t.Parallel()
	options, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	// It validates against the specification's schema, and fails for a secret, volume, network or
	// service that isn't there.
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server, database := project.Services["latchkey"], project.Services["database"]
	if !server.ReadOnly || !slices.Equal(server.CapDrop, []string{"ALL"}) ||
		!slices.Equal(server.SecurityOpt, []string{"no-new-privileges:true"}) {
		t.Errorf("the server has rights that it doesn't need: %v %v %v", server.ReadOnly, server.CapDrop, server.SecurityOpt)
	}
	if len(database.Ports) != 0 || !project.Networks["database"].Internal {
		t.Error("others reach the database")
	}
	dockerfile, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, match := range regexp.MustCompile(`(?m)^ARG (\w+)`).FindAllSubmatch(dockerfile, -1) {
		// Docker itself sets TARGETARCH and its like.
		if name := string(match[1]); !strings.HasPrefix(name, "TARGET") {
			args = append(args, name)
		}
	}
	slices.Sort(args)
	if passed := slices.Sorted(maps.Keys(server.Build.Args)); len(args) == 0 || !slices.Equal(passed, args) {
		t.Errorf("the build gets %q, and the Dockerfile takes %q", passed, args)
	}
	environ, files := map[string]string{}, map[string]string{}
	for name, value := range server.Environment {
		environ[name] = *value
	}
	for _, secret := range server.Secrets {
		name := path.Base(project.Secrets[secret.Source].File)
		files["/run/secrets/"+secret.Source] = secrets[name]
	}
	checkSettings(t, environ, files)
}
