package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// madeIn is the folder that the Dockerfile's first stage makes by root.sh.
const madeIn = "/image/"

// stage is the last stage of the Dockerfile.
type stage struct {
	config v1.Config
	copies []copied
}

// copied is a COPY of what a folder below madeIn contains.
type copied struct {
	from, to string
	owner    int // both the user and the group
}

var errNotScratch = errors.New("the last stage must begin with FROM scratch")

// readDockerfile returns the last stage of a Dockerfile. It fails for an instruction that would
// need Docker.
func readDockerfile(path string) (stage, error) {
	f, err := os.Open(path)
	if err != nil {
		return stage{}, err
	}
	defer func() { _ = f.Close() }() // it was only read
	parsed, err := parser.Parse(f)
	if err != nil {
		return stage{}, err
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return stage{}, err
	}
	last := stages[len(stages)-1]
	if last.BaseName != "scratch" {
		return stage{}, errNotScratch
	}
	final := stage{config: v1.Config{
		// Docker sets it for every image.
		Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Labels:       map[string]string{},
		ExposedPorts: map[string]struct{}{},
		WorkingDir:   "/",
	}}
	for _, command := range last.Commands {
		if err := final.apply(command); err != nil {
			return stage{}, fmt.Errorf("%s, line %d: %w", path, command.Location()[0].Start.Line, err)
		}
	}
	return final, nil
}

// apply adds an instruction to the stage.
func (s *stage) apply(command instructions.Command) error {
	switch c := command.(type) {
	case *instructions.LabelCommand:
		for _, label := range c.Labels {
			s.config.Labels[label.Key] = strings.Trim(label.Value, `"`)
		}
	case *instructions.EnvCommand:
		for _, variable := range c.Env {
			s.config.Env = append(s.config.Env, variable.String())
		}
	case *instructions.ExposeCommand:
		for _, port := range c.Ports {
			s.config.ExposedPorts[port+"/tcp"] = struct{}{}
		}
	case *instructions.UserCommand:
		s.config.User = c.User
	case *instructions.HealthCheckCommand:
		h := c.Health
		s.config.Healthcheck = &v1.HealthConfig{
			Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries,
		}
	case *instructions.EntrypointCommand:
		return program(&s.config.Entrypoint, c.ShellDependantCmdLine)
	case *instructions.CmdCommand:
		return program(&s.config.Cmd, c.ShellDependantCmdLine)
	case *instructions.CopyCommand:
		return s.copy(c)
	default:
		return fmt.Errorf("%s can't be done without Docker", command.Name())
	}
	return nil
}

// program takes a command that needs no shell.
func program(to *[]string, line instructions.ShellDependantCmdLine) error {
	if line.PrependShell {
		return errors.New("there is no shell in the image: write a JSON list")
	}
	*to = line.CmdLine
	return nil
}

func (s *stage) copy(c *instructions.CopyCommand) error {
	if c.From != "build" || len(c.SourcePaths) != 1 || !strings.HasPrefix(c.SourcePaths[0], madeIn) ||
		!strings.HasSuffix(c.SourcePaths[0], "/") || !strings.HasSuffix(c.DestPath, "/") || c.Chmod != "" {
		return fmt.Errorf("only COPY --from=build [--chown=N:N] %sX/ Y/ is supported", madeIn)
	}
	owner := 0
	if c.Chown != "" {
		user, group, _ := strings.Cut(c.Chown, ":")
		number, err := strconv.Atoi(user)
		if err != nil || group != user {
			return fmt.Errorf("--chown=%s must be N:N", c.Chown)
		}
		owner = number
	}
	s.copies = append(s.copies, copied{strings.TrimPrefix(c.SourcePaths[0], madeIn), strings.Trim(c.DestPath, "/"), owner})
	return nil
}
