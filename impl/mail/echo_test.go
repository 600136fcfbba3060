package mail

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// What a server says of a mail's content, such as the link that it refuses, gets neither into the
// database nor into the log. What it says before it has seen the mail helps to find out why: it is
// kept with the job.
func TestServerEchoesTheMail(t *testing.T) {
	t.Parallel()
	const code, link = "90210347", "lkl_AZgfbj9KfMCPHl19TBsuk" // of the contract's example
	for command, isShown := range map[string]bool{"RCPT": true, "DONE": false} {
		var once sync.Once
		s := newServer(t, func(got, _ string) (err error) {
			if got == command {
				once.Do(func() {
					err = &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted: " + code + " #" + link}
				})
			}
			return err
		})
		var log syncBuffer
		o := options(t, sender(t, "smtp://"+s.addr))
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		q := start(t, o)
		enqueue(t, q, another(LoginCode))
		eventually(t, "an attempt fails", func() bool { return strings.Contains(states(t, q), " 1 1") })
		var failures string
		row := q.Pool.QueryRow(t.Context(), "SELECT errors::text FROM river_job")
		if err := row.Scan(&failures); err != nil {
			t.Fatal(err)
		}
		for where, text := range map[string]string{"the database": failures, "the log": log.String()} {
			want := isShown && where == "the database"
			if got := strings.Contains(text, code) || strings.Contains(text, link); got != want {
				t.Errorf("%s: %s shows what the server said: %v, want %v: %s", command, where, got, want, text)
			}
		}
		if !strings.Contains(log.String(), "failed to send a mail") || !strings.Contains(log.String(), "answered 450") {
			t.Errorf("%s: the log doesn't report the attempt: %s", command, log.String())
		}
		if !strings.Contains(failures, "450") {
			t.Errorf("%s: the status isn't in %s", command, failures)
		}
		eventuallyStates(t, q, "completed 2 1")
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
