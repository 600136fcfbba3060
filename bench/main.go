// Command bench measures the server's binary on a real PostgreSQL and prints a table in Markdown.
// In turns with it, it measures the binary of an earlier commit if one is named. It fails if the
// time of a refused login reveals that an email has an account.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	binary, before, only string
	duration             time.Duration // of each load
	rounds, users, tries int
	moved                int // users that are imported and exported
}

// parts are the pieces of the table, in its order.
var parts = []struct {
	name    string
	what    string
	measure func(*bench, context.Context, *table) error
}{
	{"me", "/api/users/me/", (*bench).measureMe},
	{"login", "logins", (*bench).measureLogin},
	{"register", "registrations", (*bench).measureRegister},
	{"codes", "mailed codes", (*bench).measureCodes},
	{"refresh", "refreshes", (*bench).measureRefresh},
	{"flood", "/api/users/me/ while others log in without a pause", (*bench).measureFlood},
	{"start", "the time of a start, and the memory after it", (*bench).measureStart},
	{"times", "the times of refused logins", (*bench).measureTimes},
	{"move", "imports and exports", (*bench).measureMove},
	// The last ones, because they fill the databases.
	{"users", "many users, who are made first", (*bench).measureUsers},
	{"list", "the list of as many users", (*bench).measureList},
}

func partNames() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

func main() {
	var o options
	names := partNames()
	flag.StringVar(&o.binary, "binary", "../bin/latchkey", "the binary to measure")
	flag.StringVar(&o.before, "before", "", "the binary of an earlier commit, to measure in turns with the other one")
	flag.DurationVar(&o.duration, "d", 4*time.Second, "the duration of each load")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each load is repeated; the table shows medians")
	flag.StringVar(&o.only, "only", strings.Join(names, ","), "the parts to run")
	flag.IntVar(&o.users, "users", 1_000_000, "users of the large database, and keys in its table of limits")
	flag.IntVar(&o.moved, "moved", 100_000, "users that are imported and exported")
	flag.IntVar(&o.tries, "tries", 3000, "refused logins of each kind")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.check(names)
	if err == nil {
		err = run(ctx, os.Stdout, o)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// check refuses options that leave nothing to measure.
func (o options) check(names []string) error {
	for name := range strings.SplitSeq(o.only, ",") {
		if !slices.Contains(names, name) {
			return fmt.Errorf("-only has %q, must be of %s", name, strings.Join(names, ","))
		}
	}
	if o.duration <= 0 || o.rounds < 1 || o.tries < 1 || o.moved < 1 || o.users < fewUsers {
		return fmt.Errorf("-d, -rounds, -tries and -moved must be positive, and -users at least %d", fewUsers)
	}
	return nil
}

// run prints what it has measured even if a part fails.
func run(ctx context.Context, w io.Writer, o options) (err error) {
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	var t table
	defer func() {
		t.add(tree, "requests that failed, in all of the above", count, float64(b.failed.Load()))
		t.print(w)
	}()
	var revealing error
	for _, p := range parts {
		if !slices.Contains(strings.Split(o.only, ","), p.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "bench: "+p.what)
		if err := p.measure(b, ctx, &t); errors.Is(err, errTimesReveal) {
			revealing = err // returned after the other parts
		} else if err != nil {
			return fmt.Errorf("%s: %w", p.name, errors.Join(err, ctx.Err()))
		}
	}
	return revealing
}
