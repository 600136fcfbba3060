package mail

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
)

// counter counts the mails of each recipient and kind.
type counter struct {
	mu   sync.Mutex
	sent map[string]int
}

func (c *counter) Send(_ context.Context, m *Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent[m.Letter.To+" "+string(m.Letter.Kind)]++
	return nil
}

// A recipient gets one mail a minute and ten an hour of each kind. Further mails wait, and are sent
// later: after the first ten, one each six minutes.
func TestQueueLimits(t *testing.T) {
	t.Parallel()
	var (
		mu  sync.Mutex
		now = sentAt
	)
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	sent := &counter{sent: map[string]int{}}
	o := options(t, sent)
	limiter, err := ratelimit.New(
		store.Options{DB: o.Pool, Now: clock, DatabaseNow: clock}, bytes.Repeat([]byte{7}, 32),
	)
	if err != nil {
		t.Fatal(err)
	}
	o.Allow = func(ctx context.Context, to string, kind Kind) (time.Duration, error) {
		return limiter.Mail(ctx, to, string(kind))
	}
	q := start(t, o)
	var letters []Letter
	for range 14 {
		letters = append(letters, another(LoginCode))
	}
	for range 2 {
		l := another(ResetPassword)
		eve := another(LoginCode)
		eve.To = "eve@example.com"
		letters = append(letters, l, eve)
	}
	enqueue(t, q, letters...)
	for minute, want := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11, 12, 12} {
		if minute > 0 {
			mu.Lock()
			now = now.Add(time.Minute)
			mu.Unlock()
			// River doesn't use the test's clock. So make its waiting jobs due, and notify it: by
			// itself it looks only once a second.
			for _, statement := range []string{
				"UPDATE river_job SET state = 'available', scheduled_at = now() WHERE state = 'scheduled'",
				`SELECT pg_notify(current_schema() || '.river_insert', '{"queue": "mail"}')`,
			} {
				if _, err := q.Pool.Exec(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
		}
		eventually(t, "every mail is sent or waits", func() bool {
			all := states(t, q)
			return strings.Count(all, "completed")+strings.Count(all, "scheduled") == len(letters)
		})
		sent.mu.Lock()
		others := min(minute+1, 2)
		diff := cmp.Diff(map[string]int{"ada@example.com login_code": want, "ada@example.com reset_password": others, "eve@example.com login_code": others}, sent.sent)
		sent.mu.Unlock()
		if diff != "" {
			t.Fatalf("after %d minutes (-want +got): %s", minute, diff)
		}
	}
	if all := states(t, q); strings.Count(all, "completed 1") != 16 || strings.Count(all, "scheduled 0") != 2 {
		t.Errorf("a mail that waits has used up attempts: %s", all)
	}
}
