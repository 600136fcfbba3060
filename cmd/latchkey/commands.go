package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl/postgres"
	"github.com/latchkey-auth/latchkey/schema"
)

// root is the tree of commands.
type root struct {
	console
	cmd *cobra.Command
	// began is true once the command line was accepted and a command has started.
	began bool
}

func newRoot(c console) *root {
	r := &root{console: c}
	r.cmd = &cobra.Command{
		Use:   "latchkey",
		Short: "An authentication service on PostgreSQL",
		Long: "An authentication service on PostgreSQL. `latchkey serve` runs it. The other commands administer it.\n" +
			"Settings are environment variables. `latchkey serve --help` lists all of them.",
		SilenceUsage:  true,
		SilenceErrors: true,
		// An error is one line, which has no room for a list of suggestions.
		DisableSuggestions: true,
		CompletionOptions:  cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	r.cmd.SetIn(c.in)
	r.cmd.SetOut(c.out)
	r.cmd.SetErr(c.err)
	r.cmd.SetUsageTemplate(r.cmd.UsageTemplate() + exitStatusHelp)
	r.cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		text := err.Error()
		if cause := errors.Unwrap(err); cause != nil {
			text = strings.TrimSuffix(text, ": "+cause.Error()) // strconv's words are for programmers
		}
		return fmt.Errorf("%s; see %s --help", text, cmd.CommandPath())
	})
	r.cmd.AddCommand(
		addSettings(r.serveCommand()),
		addSettings(r.migrateCommand(), migrateSettings...),
		addSettings(r.userCommand(), userSettings...),
		addSettings(r.eventsCommand(), databaseSettings...),
		addSettings(r.keyCommand(), keySettings...),
		addSettings(r.mailCommand(), mailSettings...),
		addSettings(r.healthcheckCommand(), healthSettings...),
		r.openapiCommand(), r.versionCommand(),
	)
	r.complete(r.cmd)
	return r
}

// complete adds to a command, and to those below it, what all have in common. A command takes no
// arguments unless it says which. One that only has others below it prints its help. Once a command
// has begun, its errors aren't reported as errors of the command line.
func (r *root) complete(cmd *cobra.Command) {
	run := cmd.RunE
	if run == nil {
		run = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.began = true
		return run(cmd, args)
	}
	if cmd.Args == nil {
		cmd.Args = noArgs
	}
	for _, below := range cmd.Commands() {
		r.complete(below)
	}
}

// noArgs refuses every argument. A command with subcommands takes an argument for one of them.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasSubCommands():
		return fmt.Errorf("unknown command %q; see %s --help", args[0], cmd.CommandPath())
	}
	return fmt.Errorf("%s takes no arguments, but got %q", cmd.CommandPath(), args[0])
}

// oneArg demands one argument. what says what it is.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s needs one argument, %s, but got %d", cmd.CommandPath(), what, len(args))
		}
		return nil
	}
}

// oneUser demands the argument USER.
var oneUser = oneArg("a user's email, username or id")

func (r *root) migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date",
		Long: "Bring the database's schema up to date. `latchkey serve` also does this when it starts. Several processes\n" +
			"may do it at once. The command fails and changes nothing if a newer release has migrated the database and\n" +
			"this release may not run beside it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := loadSettings(r.environ)
			if err != nil {
				return err
			}
			return r.migrate(cmd.Context(), s)
		},
	}
}

// withDatabase runs f on a database that has the schema of this binary. It creates a missing
// embedded database only if mayMake is true. A command that only reads must not create a database
// when it is run in the wrong folder.
func (r *root) withDatabase(ctx context.Context, mayMake bool, f func(settings, *database) error) (err error) {
	s, err := loadSettings(r.environ)
	if err != nil {
		return err
	}
	fresh := false
	if s.embedded() {
		exists, err := hasCluster(s)
		if err != nil {
			return err
		}
		if fresh = !exists; fresh && !mayMake {
			return fmt.Errorf("there is no database in %s yet; "+
				"to use another one, set LATCHKEY_DATA_DIR or LATCHKEY_DATABASE_URL", s.DataDir)
		}
	}
	logger := newLogger(r.err, s.LogFormat, s.logLevel())
	db, err := openDatabase(ctx, s, postgres.Attach, 0, r.console, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	if fresh {
		if _, err := db.migrate(ctx, logger); err != nil {
			return err
		}
	}
	if err := schema.Current(ctx, db.pool); errors.Is(err, schema.ErrOutdated) {
		return fmt.Errorf("%w; run latchkey migrate or latchkey serve first", err)
	} else if err != nil {
		return err
	}
	return f(s, db)
}
