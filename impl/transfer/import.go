// Package transfer imports users from a file and exports them to one. A line of such a file is a
// UserRecord of the contract, and is checked against it. Files of other systems are mapped to it.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

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
// and the others imported. It fails if the file can't be read further, the database doesn't respond
// or the context ends. Users that were imported by then stay, and a repeated import continues after
// them.
//
// The next batch is read while the database works on one. A read that blocks outlives the context.
func Import(ctx context.Context, service *auth.Service, reader *Reader, o Options) (*Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	report := newReport()
	imports := service.Import(o.DryRun)
	batches := make(chan lineBatch)
	go reader.batches(ctx, batches)
	for {
		select {
		case b := <-batches:
			if err := report.batch(ctx, imports, b.lines, reader.source.System != nil, o.OnProblem); err != nil {
				return report, err
			}
			o.OnBatch(report)
			if errors.Is(b.err, io.EOF) {
				return report, nil
			} else if b.err != nil {
				return report, b.err
			}
		case <-ctx.Done():
			return report, ctx.Err()
		}
	}
}

// lineBatch is the lines of a batch, and why it is the last one.
type lineBatch struct {
	lines []Line
	err   error
}

// batches sends the lines of the file.
func (r *Reader) batches(ctx context.Context, to chan<- lineBatch) {
	for {
		b := lineBatch{lines: make([]Line, 0, batchSize)}
		for len(b.lines) < batchSize && b.err == nil {
			var line Line
			if line, b.err = r.Next(); b.err == nil {
				b.lines = append(b.lines, line)
			}
		}
		select {
		case to <- b:
		case <-ctx.Done():
			return
		}
		if b.err != nil {
			return
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
