package impl_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// L-10, L-11: each request has one parsable line, whatever the client sends. It has the outcome of
// every login, and never a secret.
func TestL10_Log(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{LogJSON: true})
	const canary = "CANARY-pw-5b1d93e7"
	registered := h.Register(t, "ada@example.com", "ada", canary)
	token := registered.Text("token.access_token")

	asked := 1
	do := func(impltest.Answer) { asked++ }
	do(h.Login(t, "username", "ada@example.com", "password", canary))
	do(h.Login(t, "username", "ada@example.com", "password", canary+"x"))
	do(h.Login(t, "username", "nobody@example.com", "password", canary))
	do(h.Login(t, "username", canary, "password", canary))
	do(h.Login(t, "username", "a\r\n{\"level\":\"ERROR\"}\x1b[31m", "password", canary, "password", canary))
	do(h.Me(t, token))
	do(h.Me(t, token+canary))
	do(h.Do(t, h.Request("GET", impltest.MePath+"?access_token="+canary, "", "Authorization", "Basic "+canary)))
	do(
		h.Do(
			t,
			h.Request("POST", impltest.LoginPath+"?password="+canary, "", "Content-Type", "application/x-www-form-urlencoded"),
		),
	)
	do(h.Do(t, h.Request("GET", "/a%0d%0a%7b%22level%22:%22ERROR%22%7d%1b[31m", "")))
	do(
		h.PostJSON(
			t,
			impltest.RegisterPath,
			map[string]string{"email": canary, "username": canary + "!", "password": canary, "x": canary},
		),
	)
	h.Server.AddFault()
	do(h.Do(t, h.Request("GET", "/healthz", "", "X-Test-Fault", "broken")))

	log := h.Log.String()
	lines := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
	if len(lines) != asked {
		t.Errorf("%d lines for %d requests:\n%s", len(lines), asked, log)
	}
	outcomes := map[string]int{}
	for _, line := range lines {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("%v: %s", err, line)
			continue
		}
		for _, name := range []string{"time", "level", "msg", "request_id", "remote", "method", "path", "status", "duration"} {
			if _, ok := entry[name]; !ok {
				t.Errorf("no %s: %s", name, line)
			}
		}
		if outcome, ok := entry["login"].(string); ok {
			outcomes[outcome]++
		}
	}
	for outcome, want := range map[string]int{"ok": 1, "wrong_password": 1, "unknown_email": 1, "malformed": 1} {
		if outcomes[outcome] != want {
			t.Errorf("%d logins noted as %s, want %d", outcomes[outcome], outcome, want)
		}
	}
	for name, secret := range map[string]string{"password": canary, "token": token, "signature": token[strings.LastIndex(token, "."):], "key": impltest.SecretKey, "hash": "$argon2id$"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows the %s:\n%s", name, log)
		}
	}
}

// The line of a request that a limit refused names the budget that was used up.
func TestL10_LogNamesTheBudget(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	guess(t, h, ada, 11)
	for range 11 {
		loginFrom(t, h, home, ada, "a wrong password")
	}
	request := askFrom(t, h, home, impltest.RequestResetPath, ada).Text("request")
	code := wrong(h.CodeMail(t, ada))
	for range challenge.Tries + 1 {
		confirmReset(t, h, request, code, newPassword)
	}
	if want := "status=429 .* login=limited .*code=rate_limited budget="; !regexp.MustCompile(want).MatchString(h.Log.String()) {
		t.Errorf("the log has no %s:\n%s", want, h.Log)
	}
	for _, budget := range []string{"account", "own", "request"} {
		if want := "status=429 .* code=rate_limited budget=" + budget + "\n"; !regexp.MustCompile(want).MatchString(h.Log.String()) {
			t.Errorf("the log has no %s:\n%s", want, h.Log)
		}
	}
}

// The line of a request without an access token names the user of the code or the refresh token.
func TestL10_LogNamesTheUser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{})
	registered := h.Register(t, ada, "ada", impltest.Password)
	first := registered.Text("token.refresh_token")
	second := refresh(t, h, first).Text("refresh_token")
	wantStatus(t, "refresh", refresh(t, h, second), 200)
	wantStatus(t, "reuse", refresh(t, h, first), 400)

	request := askCode(t, h, impltest.RequestResetPath, ada)
	mail := h.CodeMail(t, ada)
	wantStatus(t, "guess", confirmReset(t, h, request, wrong(mail), newPassword), 401)
	wantStatus(t, "reset", confirmReset(t, h, request, mail.Code.Reveal(), newPassword), 204)
	r := h.Request("POST", impltest.RevokePath, "token="+logInWith(t, h, newPassword).Text("refresh_token"),
		"Content-Type", "application/x-www-form-urlencoded")
	wantStatus(t, "revoke", h.Do(t, r), 200)
	for _, what := range []string{
		"refresh=reused", "password_reset=invalid_code", "password_reset=ok", "path=" + impltest.RevokePath + " status=200 .*",
	} {
		want := what + " user=" + registered.Text("id") + "[ \n]"
		if !regexp.MustCompile(want).MatchString(h.Log.String()) {
			t.Errorf("the log has no %s:\n%s", want, h.Log)
		}
	}
}
