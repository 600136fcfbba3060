// Command sh is the shell of the trial image: sh -c COMMAND. PostgreSQL's initdb starts its server
// through /bin/sh, and an image from scratch has none.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

func main() {
	err := run(os.Args[1:])
	var status interp.ExitStatus
	switch {
	case errors.As(err, &status):
		os.Exit(int(status))
	case err != nil:
		fmt.Fprintln(os.Stderr, "sh:", err)
		os.Exit(127)
	}
}

// run runs the command in the arguments. Newer C libraries put -- between -c and the command.
func run(args []string) error {
	if len(args) == 3 && args[1] == "--" {
		args = append(args[:1], args[2])
	}
	if len(args) != 2 || args[0] != "-c" {
		return errors.New("only sh -c COMMAND is supported")
	}
	command, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(args[1]), "")
	if err != nil {
		return err
	}
	runner, err := interp.New(interp.StdIO(os.Stdin, os.Stdout, os.Stderr))
	if err != nil {
		return err
	}
	return runner.Run(context.Background(), command)
}
