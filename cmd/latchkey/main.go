// Command latchkey is the authentication service. `latchkey serve` runs it. The other commands
// administer it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// repeatWindow is how long after the first signal another one counts as the same. npm, `npx` and
// other programs that run this one pass on a Ctrl-C that the terminal has sent to it already.
const repeatWindow = 500 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal starts the shutdown and then removes the handler, so that a second one ends
	// the process at once.
	context.AfterFunc(ctx, func() { time.AfterFunc(repeatWindow, stop) })
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		complain("latchkey: " + oneLine(err.Error()))
	}
	os.Exit(exitStatus(err))
}

// complain writes a line to stderr. It gives up after [logEnd] if nobody reads stderr.
func complain(line string) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		fmt.Fprintln(os.Stderr, line)
	}()
	select {
	case <-written:
	case <-time.After(logEnd):
	}
}

// console is the environment and the streams of a command.
type console struct {
	environ []string
	in      io.Reader
	out     io.Writer // results; characters that steer a terminal are escaped
	raw     io.Writer // files, as they are
	err     io.Writer // prompts, progress and the log
}

// run runs the command line. [exitStatus] converts its error to an exit status.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := newRoot(console{environ, stdin, escaping{stdout, isCommand}, stdout, stderr})
	root.cmd.SetArgs(args)
	err := root.cmd.ExecuteContext(ctx)
	if err != nil && !root.began {
		return usageError{err} // the command line was refused before a command started
	}
	return err
}

// usageError is a wrong command line or setting. The same call would fail again.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exitStatus returns 0 for success, 2 for a wrong command line or setting and 1 for any other
// failure.
func exitStatus(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	}
	return 1
}

// oneLine joins the lines of an error, such as the end of PostgreSQL's log. An error of a command
// is always one line.
func oneLine(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
