package impl_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// M-2: of 50 parallel tries, at most five are compared. Later tries write nothing.
func TestM2_FiftyParallelTries(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	h.MustRegister(t, "ada")
	for name, email := range map[string]string{"an account": ada, "nobody": "nobody@example.com"} {
		request := askCode(t, h, impltest.RequestLoginCodePath, email)
		body := fmt.Sprintf(`{"request":%q,"factor":"email_code","code":"00000000"}`, request)
		var (
			wg               sync.WaitGroup
			compared, spared atomic.Int64
		)
		for range 50 {
			wg.Go(func() {
				a, err := h.Try(t, h.Request("POST", impltest.ContinueLoginPath, body, "Content-Type", mediaJSON))
				switch {
				case err != nil:
					t.Error(err)
				case a.Text("code") == "invalid_code":
					compared.Add(1)
				case a.Status == 429:
					spared.Add(1)
				}
			})
		}
		wg.Wait()
		if compared.Load() != challenge.Tries || spared.Load() != 50-challenge.Tries {
			t.Errorf("%s: %d tries were compared, %d were refused", name, compared.Load(), spared.Load())
		}
		before := challengeRow(t, h, email)
		wantStatus(t, name, continueLogin(t, h, request, "00000000"), 429)
		if diff := cmp.Diff(before, challengeRow(t, h, email)); diff != "" {
			t.Errorf("%s: the row was written: %s", name, diff)
		}
	}
}

// challengeRow returns the number of tries of the challenge for an address, and the physical place
// of its row, which changes with each write.
func challengeRow(t *testing.T, h *impltest.Harness, email string) (row string) {
	t.Helper()
	const query = "SELECT attempts || ' ' || ctid || ' ' || xmin || ' ' || xmax FROM challenges WHERE email_key = $1"
	if err := h.Pool.QueryRow(t.Context(), query, email).Scan(&row); err != nil {
		t.Fatal(err)
	}
	return row
}

// A wrong code is recorded once an hour for the user that the code was for, and for no other user.
func TestWrongCodesAreRecorded(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	eve := h.MustRegister(t, "eve")
	failed := func(token string) (n int) {
		t.Helper()
		h.Auth.Wait()
		for _, e := range eventsOf(t, h, token, "").Events {
			if e.Type == "code.failed" {
				n++
				if e.Actor != "unknown" || e.Address == nil || *e.Address != "127.0.0.1" || e.SessionID != nil {
					t.Errorf("got %+v", e)
				}
			}
		}
		return n
	}
	for name, guess := range map[string]func(code string) impltest.Answer{
		"login": func(code string) impltest.Answer {
			return continueLogin(t, h, askCode(t, h, impltest.RequestLoginCodePath, ada), code)
		},
		"reset": func(code string) impltest.Answer {
			return confirmReset(t, h, askCode(t, h, impltest.RequestResetPath, ada), code, newPassword)
		},
		"reauthentication": func(code string) impltest.Answer {
			return reauthenticateByCode(t, h, eve, askCode(t, h, impltest.RequestLoginCodePath, ada), code)
		},
		"verification": func(code string) impltest.Answer {
			askVerification(t, h, token)
			return confirmVerification(t, h, token, code)
		},
	} {
		for range 2 {
			wantInvalidCode(t, name, guess("00000000"))
			if got := failed(token); got != 1 {
				t.Errorf("%s: %d events, want 1", name, got)
			}
		}
		// An hour later, by the events' ids.
		if _, err := h.Pool.Exec(t.Context(), "DELETE FROM events WHERE type = 'code.failed'"); err != nil {
			t.Fatal(err)
		}
	}
	wantInvalidCode(t, "nobody", continueLogin(t, h, askCode(t, h, impltest.RequestLoginCodePath, "nobody@example.com"), "00000000"))
	wantInvalidCode(t, "no challenge", continueLogin(t, h, goodRequest(challenge.LoginCode), "00000000"))
	h.Auth.Wait()
	if n := count(t, h, "SELECT count(*) FROM events WHERE type = 'code.failed'"); n != 0 {
		t.Errorf("%d events of nobody", n)
	}
}
