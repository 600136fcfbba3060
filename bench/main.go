// Command bench measures the real binary on a real PostgreSQL, and prints one table in Markdown. What bounds it is measured in
// the same run, in turns with it: pgbench with the same statement, a bare echo answer, and argon2id alone. It fails when a time tells that an email has an account.
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
	binary   string
	duration time.Duration // of each measurement
	rounds   int
	only     string
	users    int
	tries    int
	before   string
	steady   time.Duration // of the long flood
	profiles string        // the folder to keep profiles in
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == echoCommand {
		exit(serveEcho(os.Args[2], os.Args[3]))
	}
	var (
		o     options
		names []string
	)
	for _, p := range parts {
		names = append(names, p.name)
	}
	flag.StringVar(&o.binary, "binary", "bin/latchkey", "the server's binary")
	flag.DurationVar(&o.duration, "d", 4*time.Second, "how long each measurement takes")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each measurement is made; the table shows medians")
	flag.StringVar(&o.only, "only", "", "the parts to run, of "+strings.Join(names, ",")+" (default all)")
	flag.IntVar(&o.users, "users", 1_000_000, "users of the large database, and keys in its table of limits")
	flag.IntVar(&o.tries, "tries", 3000, "log-ins of each kind for the comparison of times")
	flag.StringVar(&o.before, "before", "", "another release's binary, for rows that compare /me with it")
	flag.DurationVar(&o.steady, "steady", time.Minute, "how long the flood takes in which the memory is looked at")
	flag.StringVar(&o.profiles, "profiles", "", "a folder to keep the profiles in, for go tool pprof")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.check(names)
	if err == nil {
		err = run(ctx, os.Stdout, o)
	}
	stop()
	exit(err)
}

// check refuses options with which there would be nothing to measure.
func (o options) check(names []string) error {
	for name := range strings.SplitSeq(o.only, ",") {
		if o.only != "" && !slices.Contains(names, name) {
			return fmt.Errorf("-only has %q, must be of %s", name, strings.Join(names, ","))
		}
	}
	if o.duration <= 0 || o.steady < time.Second || o.rounds < 1 || o.users < fewUsers || o.tries < 1 {
		return fmt.Errorf("-d, -rounds and -tries must be positive, -steady a second, and -users at least %d", fewUsers)
	}
	return nil
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// parts are the pieces of the table, in its order.
var parts = []struct {
	name    string
	what    string // for whoever waits
	measure func(*bench, context.Context, *table) error
}{
	{"me", "/api/users/me/ beside pgbench and a bare echo answer", (*bench).measureMe},
	{"profile", "where the time of /api/users/me/ goes", (*bench).measureProfile},
	{"login", "log-ins beside argon2id", (*bench).measureLogin},
	{"refresh", "refreshes", (*bench).measureRefresh},
	{"before", "/api/users/me/ beside another release's binary", (*bench).measureBefore},
	{"flood", "log-ins and /api/users/me/ together", (*bench).measureFlood},
	{"steady", "the memory in a long flood", (*bench).measureSteady},
	{"start", "how long a start takes", (*bench).measureStart},
	{"times", "whether time tells a known email", (*bench).measureTimes},
	{"users", "many users; they have to be made first", (*bench).measureUsers}, // last, since it fills the database
}

func run(ctx context.Context, w io.Writer, o options) (err error) {
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	var (
		t    table
		told error
	)
	for _, p := range parts {
		if o.only != "" && !slices.Contains(strings.Split(o.only, ","), p.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "bench: "+p.what)
		if err := p.measure(b, ctx, &t); errors.Is(err, errTimesTell) {
			told = err // after everything else
		} else if err != nil {
			return fmt.Errorf("%s: %w", p.name, errors.Join(err, ctx.Err()))
		}
	}
	t.add("requests that failed, in all of the above", fmt.Sprint(b.failed.Load()), "")
	t.print(w)
	return told
}
