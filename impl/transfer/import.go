// Package transfer moves users in from a file and out to one. A line of such a file is a UserRecord
// of the contract, and is held to it. Files of other systems are mapped onto it.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// batchSize is how many users one transaction imports.
const batchSize = 1000

// Options are how a file is imported.
type Options struct {
	// DryRun writes nothing, and reports the same.
	DryRun bool
	// OnProblem is called for each problem, in the order of the lines of a batch.
	OnProblem func(Problem) error
	// OnBatch is called after each batch.
	OnBatch func(*Report)
}

// Import imports the users of a file, a batch in one transaction. Lines with problems are reported,
// and the others imported. It fails if the file can't be read further, or the database doesn't
// answer. What was imported by then stays, and a repeated import goes on behind it.
//
// The next batch is read while the database works on one.
func Import(ctx context.Context, service *auth.Service, reader *Reader, o Options) (*Report, error) {
	report := newReport()
	imports := service.Import(o.DryRun)
	group, ctx := errgroup.WithContext(ctx)
	batches := make(chan []Line)
	group.Go(func() error {
		defer close(batches)
		return reader.batches(ctx, batches)
	})
	group.Go(func() error {
		for lines := range batches {
			if err := report.batch(ctx, imports, lines, reader.source.System != nil, o.OnProblem); err != nil {
				return err
			}
			o.OnBatch(report)
		}
		return nil
	})
	return report, group.Wait()
}

// batches sends the lines of the file.
func (r *Reader) batches(ctx context.Context, to chan<- []Line) error {
	for {
		lines := make([]Line, 0, batchSize)
		var err error
		for len(lines) < batchSize && err == nil {
			var line Line
			if line, err = r.Next(); err == nil {
				lines = append(lines, line)
			}
		}
		select {
		case to <- lines:
		case <-ctx.Done():
			return ctx.Err()
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// batch imports the users of some lines, and counts what became of them.
func (r *Report) batch(
	ctx context.Context, imports *auth.Import, lines []Line, mayRename bool, onProblem func(Problem) error,
) error {
	users := make([]auth.ImportedUser, 0, len(lines))
	for _, line := range lines {
		if line.Record == nil {
			continue
		}
		user, err := line.Record.user(line.Number, mayRename)
		if err != nil {
			return fmt.Errorf("line %d: %w", line.Number, err)
		}
		users = append(users, user)
	}
	outcomes, err := imports.Batch(ctx, users)
	if err != nil {
		return err
	}
	for _, line := range lines {
		problems := line.Problems
		switch {
		case line.Behind != "":
			r.Behind[line.Behind]++
		case line.Record != nil:
			problems = r.count(line, outcomes[0])
			outcomes = outcomes[1:]
		default:
			r.NotImported++
		}
		for _, p := range problems {
			r.addProblem(p)
			if err := onProblem(p); err != nil {
				return err
			}
		}
	}
	return nil
}
