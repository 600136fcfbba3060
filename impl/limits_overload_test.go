package impl_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// A request ends at its deadline, also if nothing that it waits for has a deadline.
func TestRequestsHaveADeadline(t *testing.T) {
	t.Parallel()
	patient := impltest.New(t, impltest.Options{Patient: true})
	patient.MustRegister(t, "ada")
	h := patient.With(t, impltest.Options{Patient: true, Timeouts: impl.Timeouts{Request: 500 * time.Millisecond}})
	release := h.OccupyWorkers(t)
	a := h.Login(t, "username", "ada@example.com", "password", impltest.Password)
	if a.Status != 503 || a.Text("code") != "unavailable" {
		t.Errorf("got %d %s, want unavailable", a.Status, a.Body)
	}
	release()
}

// If too many passwords wait, further ones are refused at once. Everything else continues.
func TestF10_Overload(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true, Hash: password.Params{MemoryKiB: 4096, Passes: 2, Lanes: 1}})
	token := h.MustRegister(t, "ada")
	release := h.OccupyWorkers(t)
	const (
		clients = 400
		served  = 2 * networkLength // of logins and of registrations
		refused = clients - served
		proofs  = 2
	)
	answers := make(chan impltest.Answer, clients)
	for i := range clients {
		r := h.LoginRequest("username", "ada@example.com", "password", impltest.Password)
		if i%2 == 1 {
			body := fmt.Sprintf(`{"email":"u%d@example.com","username":"user%d","password":%q}`, i, i, impltest.Password)
			r = h.Request("POST", impltest.RegisterPath, body, "Content-Type", "application/json")
		}
		go func() {
			a, err := h.Try(t, r)
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	got := map[string]int{}
	for i := range clients {
		if i == refused { // so many are answered although nothing is hashed
			if diff := cmp.Diff(map[string]int{"503 overloaded": refused}, got); diff != "" {
				t.Error(diff)
			}
			for _, a := range [proofs]impltest.Answer{
				reauthenticate(t, h, token, impltest.Password),
				changePassword(t, h, token, impltest.Password, "violet anchor prints slowly"),
			} {
				if a.Status != 503 || a.Text("code") != "overloaded" {
					t.Errorf("a proof got %d %s", a.Status, a.Body)
				}
			}
			release()
		}
		a := <-answers
		got[strings.TrimSpace(fmt.Sprint(a.Status, " ", a.Text("code")))]++
		if a.Status == 503 && a.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		if me := h.Me(t, token); me.Status != http.StatusOK {
			t.Errorf("me: got %d", me.Status)
		}
	}
	if diff := cmp.Diff(
		map[string]int{"200": networkLength, "201": networkLength, "503 overloaded": refused},
		got,
	); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(h.Log.String(), " login=overloaded ") || strings.Contains(h.Log.String(), " login=error ") {
		t.Error("the log doesn't say that logins were refused because too many wait")
	}
	if stats := h.Auth.Stats(); stats.HashesRefused != refused+proofs || stats.HashesWaiting != 0 {
		t.Errorf("stats %+v", stats)
	}
}
