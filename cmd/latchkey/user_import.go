package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/transfer"
)

// importFlags are the flags of user import.
type importFlags struct {
	from, firebaseHash string
	dryRun, asJSON     bool
}

func (r *root) userImportCommand() *cobra.Command {
	var flags importFlags
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import the users of a file, with their passwords",
		Long: "Import the users of a file, with their passwords. FILE is - for the standard input. A file has a\n" +
			"UserRecord of the contract on each line, as JSON or CSV, or is what another system exports (--from).\n" +
			"Users who are there already stay as they are, so an import that was interrupted goes on when it is run\n" +
			"again. A line with a problem is reported, and the others are imported. The exit status is then 1.",
		Args: oneArg("a file, or - for the standard input"),
		RunE: func(cmd *cobra.Command, args []string) error { return r.importUsers(cmd.Context(), args[0], flags) },
	}
	cmd.Flags().StringVar(&flags.from, "from", "",
		"the system that the file comes from: "+strings.Join(transfer.Systems(), ", "))
	cmd.Flags().StringVar(&flags.firebaseHash, "firebase-hash-config", "",
		"a file with the password hash parameters of the Firebase project, as its console shows them")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "write nothing, and report the same")
	cmd.Flags().BoolVar(&flags.asJSON, "json", false,
		"print a JSON object on a line for each problem, and one for the report at the end")
	return cmd
}

func (r *root) importUsers(ctx context.Context, file string, flags importFlags) (err error) {
	source, err := flags.source()
	if err != nil {
		return usageError{err}
	}
	in := r.in
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return err
		}
		defer func() { _ = opened.Close() }()
		in = opened
	}
	reader, err := transfer.NewReader(in, source)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return r.withService(ctx, !flags.dryRun, func(service *auth.Service) error {
		out := importOutput{console: r.console, flags: flags, onTerminal: isTerminal(r.err)}
		report, err := transfer.Import(ctx, service, reader, transfer.Options{
			DryRun: flags.dryRun, OnProblem: out.problem, OnBatch: out.progress,
		})
		out.clearProgress()
		if printErr := out.report(report); err == nil {
			err = printErr
		}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted after %d lines; run the command again to go on", report.Lines())
		case err != nil:
			return fmt.Errorf("%s: %w", file, err)
		case report.NotImported > 1 && report.NotImported == report.Lines():
			return fmt.Errorf("all %d lines have problems; %s", report.NotImported, flags.doubt())
		case report.NotImported > 0:
			return fmt.Errorf("%d of %d lines have problems", report.NotImported, report.Lines())
		}
		return nil
	})
}

// source returns what the file is by the flags.
func (f importFlags) source() (transfer.Source, error) {
	source := transfer.Source{Now: time.Now()}
	if f.from != "" {
		system, err := transfer.NewSystem(f.from)
		if err != nil {
			return transfer.Source{}, err
		}
		source.System = &system
	}
	if (f.from == "firebase") != (f.firebaseHash != "") {
		return transfer.Source{}, fmt.Errorf("--from firebase and --firebase-hash-config belong together")
	}
	if f.firebaseHash == "" {
		return source, nil
	}
	text, err := os.ReadFile(f.firebaseHash)
	if err != nil {
		return transfer.Source{}, err
	}
	if source.Firebase, err = transfer.ReadFirebaseHash(string(text)); err != nil {
		return transfer.Source{}, fmt.Errorf("%s: %w", f.firebaseHash, err)
	}
	return source, nil
}

// doubt returns what may be wrong if no line is right.
func (f importFlags) doubt() string {
	if f.from == "" {
		return "without --from, a line is a UserRecord of the contract"
	}
	return "does the file come from " + f.from + "?"
}

// importOutput prints what becomes of a file.
type importOutput struct {
	console
	flags      importFlags
	onTerminal bool // the progress is shown
}

func (o importOutput) problem(p transfer.Problem) error {
	o.clearProgress()
	if o.flags.asJSON {
		return json.NewEncoder(o.out).Encode(p)
	}
	_, err := fmt.Fprintf(o.out, "line %d: %s %s: %s\n", p.Line, cmp.Or(p.Pointer, "/"), p.Code, p.Detail)
	return err
}

// progress shows the number of lines on a terminal.
func (o importOutput) progress(report *transfer.Report) {
	if o.onTerminal {
		_, _ = fmt.Fprintf(o.err, "\r%d lines", report.Lines())
	}
}

// clearProgress empties the line of the progress, where something else is printed next.
func (o importOutput) clearProgress() {
	if o.onTerminal {
		_, _ = fmt.Fprint(o.err, "\r\x1b[K")
	}
}

// report prints the report at the end.
func (o importOutput) report(report *transfer.Report) error {
	if o.flags.asJSON {
		return json.NewEncoder(o.out).Encode(map[string]any{"report": report})
	}
	imported := "imported"
	if o.flags.dryRun {
		imported = "would be imported"
	}
	table := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	rows := [][2]any{
		{imported, report.Imported},
		{"there already", report.Existing},
		{"with problems", report.NotImported},
	}
	for _, reason := range slices.Sorted(maps.Keys(report.Behind)) {
		rows = append(rows, [2]any{"left behind, because " + reason, report.Behind[reason]})
	}
	if report.Renamed > 0 {
		rows = append(rows, [2]any{"with another username", report.Renamed})
	}
	for _, role := range slices.Sorted(maps.Keys(report.Roles)) {
		rows = append(rows, [2]any{"with the role " + role, report.Roles[role]})
	}
	for _, format := range slices.Sorted(maps.Keys(report.Passwords)) {
		name := "password: " + format
		if format == transfer.NoPassword {
			name = "password: none, must be set by its user"
		}
		rows = append(rows, [2]any{name, report.Passwords[format]})
	}
	for _, kind := range report.Kinds() {
		name := fmt.Sprintf("problem: %s %s", cmp.Or(kind.Pointer, "/"), kind.Code)
		rows = append(rows, [2]any{name, report.Problems[kind]})
	}
	for _, row := range rows {
		// The table is kept until Flush, which returns an error of this line too.
		_, _ = fmt.Fprintf(table, "%s\t%d\n", row[0], row[1])
	}
	return table.Flush()
}
