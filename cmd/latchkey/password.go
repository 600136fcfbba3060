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

// maxPasswordLine bounds what is read as a password, in bytes; the policy's limit, which is lower, tells the user.
const maxPasswordLine = 4 << 10

// passwordSource says where a password comes from. On a command line it could be read by every user of the
// machine, so there is no such flag.
type passwordSource struct{ stdin, generate bool }

func (p *passwordSource) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.stdin, "password-stdin", false,
		"read the password, one line, from the standard input; the default where that is no terminal")
	cmd.Flags().BoolVar(&p.generate, "generate-password", false, "make a password and print it, this once")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "generate-password")
}

// generated is the password if it was made here, so that it must be told.
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

// readLine is the only line of r. A second one is refused, since it would be cut off a password without a word.
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

// prompt reads a line from the terminal without showing it. An interrupt ends it, with the terminal as it was before.
func (r *root) prompt(ctx context.Context, text string) (string, error) {
	fd := int(r.in.(*os.File).Fd()) // isTerminal has seen that it is one
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
	_, _ = fmt.Fprintln(r.err) // the one that was typed isn't shown
	if err != nil {
		return "", errors.Join(fmt.Errorf("read the password: %w", err), term.Restore(fd, before))
	}
	return line, nil
}

// interruptible is what read returns, or an error when ctx ends first. A read from a terminal can't be broken off, so
// its goroutine is left behind for the few moments until the process ends.
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
