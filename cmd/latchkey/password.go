package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// maxPasswordLine is the largest number of bytes that is read as a password. The policy's own limit
// is lower, and its error is shown to the user.
const maxPasswordLine = 4 << 10

// passwordSource is where a password comes from. No flag takes the password itself, because every
// user of the machine can read a command line.
type passwordSource struct{ stdin, generate bool }

func (p *passwordSource) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.stdin, "password-stdin", false,
		"read the password from the standard input, which must have one line; the default if it isn't a terminal")
	cmd.Flags().BoolVar(&p.generate, "generate-password", false, "make a password and print it; it can't be shown again")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "generate-password")
}

// generated returns the password if it was generated here, so that it must be shown.
func (p passwordSource) generated(password secret.Text) secret.Text {
	if p.generate {
		return password
	}
	return secret.Text{}
}

func (r *root) readPassword(ctx context.Context, from passwordSource) (secret.Text, error) {
	switch {
	case from.generate:
		return secret.New(rand.Text()), nil // at least 128 random bits
	case from.stdin || !isTerminal(r.in):
		return readLine(r.in)
	}
	first, err := r.prompt(ctx, "Password: ")
	if err != nil {
		return secret.Text{}, err
	}
	second, err := r.prompt(ctx, "Password again: ")
	if err != nil {
		return secret.Text{}, err
	}
	if first != second {
		return secret.Text{}, errors.New("the two passwords differ")
	}
	return secret.New(first), nil
}

// readLine returns the only line of r. It refuses a second line, because a password with a line
// break would be cut silently.
func readLine(r io.Reader) (secret.Text, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPasswordLine))
	if err != nil {
		return secret.Text{}, fmt.Errorf("read the password: %w", err)
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case line == "":
		return secret.Text{}, errors.New("there is no password on the standard input")
	case strings.Contains(line, "\n"):
		return secret.Text{}, errors.New("the password on the standard input has more than one line")
	}
	return secret.New(line), nil
}

// prompt reads a line from the terminal without showing it. After an interrupt it restores the
// terminal.
func (r *root) prompt(ctx context.Context, text string) (string, error) {
	fd := int(r.in.(*os.File).Fd()) // the caller has checked isTerminal
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	if _, err := fmt.Fprint(r.err, text); err != nil {
		return "", err
	}
	line, err := interruptible(ctx, func() (string, error) {
		line, err := term.ReadPassword(fd)
		return string(line), err
	})
	_, _ = fmt.Fprintln(r.err) // the newline that the user typed isn't shown
	if err != nil {
		return "", errors.Join(fmt.Errorf("read the password: %w", err), term.Restore(fd, before))
	}
	return line, nil
}

// interruptible returns the result of read, or an error when ctx ends first. A read from a terminal
// can't be aborted. Its goroutine stays until the process ends, a moment later.
func interruptible(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := read()
		done <- result{line, err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return "", errors.New("interrupted")
	}
}
