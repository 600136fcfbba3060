package deploy

import (
	"path"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
)

// TestCompose: the file is valid under the Compose specification, its parts name each other, and the
// server takes its settings.
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
