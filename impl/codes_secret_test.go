package impl_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// M-1: of several parallel uses of one code, exactly one succeeds.
func TestM1_ParallelUseOfOneCode(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Patient: true})
	h.MustRegister(t, "ada")
	const rounds, clients = 200, 4
	for name, row := range map[string]struct {
		path, confirm, body string
		success             int
	}{
		"login": {impltest.RequestLoginCodePath, impltest.ContinueLoginPath, `{"request":%q,"factor":"email_code","code":%q}`, 200},
		"reset": {impltest.RequestResetPath, impltest.ConfirmResetPath, `{"request":%q,"code":%q,"new_password":"` + newPassword + `"}`, 204},
	} {
		for range rounds {
			body := fmt.Sprintf(row.body, askCode(t, h, row.path, ada), h.CodeMail(t, ada).Code.Reveal())
			var (
				wg                 sync.WaitGroup
				succeeded, refused atomic.Int64
			)
			for range clients {
				wg.Go(func() {
					a, err := h.Try(t, h.Request("POST", row.confirm, body, "Content-Type", mediaJSON))
					switch {
					case err != nil:
						t.Error(err)
					case a.Status == row.success:
						succeeded.Add(1)
					case a.Text("code") == "invalid_code":
						refused.Add(1)
					}
				})
			}
			wg.Wait()
			if succeeded.Load() != 1 || refused.Load() != clients-1 {
				t.Fatalf("%s: %d succeeded, %d were refused", name, succeeded.Load(), refused.Load())
			}
		}
	}
}

// knownAndUnknown returns the emails of an account, of no account and of a deactivated account.
func knownAndUnknown(t *testing.T, h *impltest.Harness) []string {
	t.Helper()
	h.MustRegister(t, "ada")
	h.MustRegister(t, "eve")
	deactivate(t, h, "eve")
	return []string{ada, "nobody@example.com", "eve@example.com"}
}

// L-6: the responses to requests for a code, and to the steps after them, are the same byte for
// byte for each email, except for the ids and the request. Only the account gets a mail.
func TestL6_CodesAreAnsweredTheSame(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	emails := knownAndUnknown(t, h)
	for path, confirm := range map[string]func(request string) impltest.Answer{
		impltest.RequestLoginCodePath: func(request string) impltest.Answer { return continueLogin(t, h, request, "00000000") },
		impltest.RequestResetPath:     func(request string) impltest.Answer { return confirmReset(t, h, request, "00000000", newPassword) },
	} {
		var want []map[string]any
		for _, email := range emails {
			asked := h.PostJSON(t, path, map[string]any{"email": email})
			request := asked.Text("request")
			asked.Body = []byte(strings.ReplaceAll(string(asked.Body), request, "REQUEST"))
			got := []map[string]any{comparable(asked)}
			for range 7 {
				got = append(got, comparable(confirm(request)))
			}
			if want == nil {
				want = got
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s: %s", path, email, diff)
			}
			if n := len(h.Mails(t, email)); (n > 0) != (email == ada) {
				t.Errorf("%s, %s: %d mails", path, email, n)
			}
		}
	}
}

// L-6: a request for a code, and the steps after it, run the same statements for each email.
func TestL6_CodesCostTheSameStatements(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Limits: true})
	emails := knownAndUnknown(t, h)
	var want map[string]int
	for _, email := range emails {
		var asked counting
		counted := h.On(t, tracedPool(t, h, &asked))
		request := askCode(t, counted, impltest.RequestResetPath, email)
		wantInvalidCode(t, email, confirmReset(t, counted, request, "00000000", newPassword))
		counted.Auth.Wait()
		delete(asked.names, "EventAddSampled") // of the account, beside the request
		got := maps.Clone(asked.names)
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" || got["ChallengeOpen"] != 1 || got["ChallengeTry"] != 1 {
			t.Errorf("%s: %v %s", email, got, diff)
		}
	}
}

// L-6: a request for a code, and a registration that sends a code, take the same time for an
// account and for an unknown email. The difference is less than a hundredth of a hash. The two are
// requested in turns. Other load on the machine disturbs single rounds, so one good round is
// enough: a real difference would show in each round.
func TestL6_CodesTakeTheSameTime(t *testing.T) {
	h, open := verifiedRegistration(t, impltest.Options{Patient: true})
	open.MustRegister(t, "ada")
	eve := open.MustRegister(t, "eve") // asks for an email that is taken, or free
	const rounds, pairs = 20, 300
	queue, err := hashqueue.New(1, password.DefaultParams.Bytes(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	hasher, err := password.NewHasher(password.DefaultParams, queue)
	if err != nil {
		t.Fatal(err)
	}
	hash := median(11, func() {
		if err := hasher.VerifyUnknown(t.Context(), "", secret.New(impltest.Password)); err != nil {
			t.Error(err)
		}
	})
	ask := func(path, email string) time.Duration {
		body := `{"email":"` + email + `"}`
		if path == impltest.RegisterPath {
			body = `{"email":"` + email + `","username":"newcomer","password":"` + impltest.Password + `"}`
		}
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", mediaJSON)
		r.Header.Set("Authorization", "Bearer "+eve)
		w := httptest.NewRecorder()
		began := time.Now()
		h.Server.ServeHTTP(w, r)
		took := time.Since(began)
		if w.Code != http.StatusAccepted {
			t.Errorf("got %d", w.Code)
		}
		return took
	}
	for _, path := range []string{
		impltest.RequestLoginCodePath, impltest.RequestResetPath, impltest.RegisterPath, impltest.RequestEmailChangePath,
	} {
		least := time.Hour
		for n := 0; n < rounds && least > hash/100; n++ {
			known, unknown := make([]time.Duration, pairs), make([]time.Duration, pairs)
			for i := range pairs {
				known[i], unknown[i] = ask(path, ada), ask(path, "bob@example.com")
			}
			slices.Sort(known)
			slices.Sort(unknown)
			least = min(least, (known[pairs/2] - unknown[pairs/2]).Abs())
		}
		t.Logf("%s: the medians differ by %s; a hash takes %s", path, least, hash)
		if least > hash/100 {
			t.Errorf("%s: the medians differ by %s in the best of %d rounds, %.1f %% of a hash", path, least, rounds, 100*float64(least)/float64(hash))
		}
	}
}

// median returns the median time that work takes.
func median(times int, work func()) time.Duration {
	all := make([]time.Duration, times)
	for i := range all {
		began := time.Now()
		work()
		all[i] = time.Since(began)
	}
	slices.Sort(all)
	return all[times/2]
}

// A dump of all tables, the log and the letters hold no code, link, request, token or password, in
// any of their forms. The mails go through the queue, so the dump includes its tables.
func TestNoDumpOpensAnything(t *testing.T) {
	t.Parallel()
	mails := filepath.Join(t.TempDir(), "mails")
	h := impltest.New(t, impltest.Options{Limits: true, Mails: mails})
	token := h.MustRegister(t, "ada")
	access, refreshToken := login(t, h, "ada")
	refreshed, refreshedToken := wantRefreshed(t, h.Login(t, "grant_type", "refresh_token", "refresh_token", refreshToken))
	const changed = "violet anchor prints slowly"
	canaries := map[string]string{
		"registered token": token, "access token": access, "refresh token": refreshToken, "refreshed token": refreshed,
		"refreshed refresh token": refreshedToken, "password": impltest.Password, "new password": newPassword, "changed password": changed,
		"secret key": impltest.SecretKey,
	}
	collect := func(what, request string) (code string) {
		mail := h.CodeMail(t, ada)
		canaries[what+", request"], canaries[what+", code"], canaries[what+", link"] = request, mail.Code.Reveal(), mail.Link.Reveal()
		return mail.Code.Reveal()
	}
	var dumps strings.Builder
	dump := func() { dumps.WriteString(dumpOf(t, h)) }
	for n := range 2 { // the first of each is used, the second waits
		request := askCode(t, h, impltest.RequestLoginCodePath, ada)
		code := collect(fmt.Sprint("login ", n), request)
		dump()
		if n == 0 {
			wantStatus(t, "login", continueLogin(t, h, request, code), 200)
			token = continueLoginAgain(t, h)
		}
		request = askCode(t, h, impltest.RequestResetPath, ada)
		code = collect(fmt.Sprint("reset ", n), request)
		dump()
		if n == 0 {
			wantStatus(t, "reset", confirmReset(t, h, request, code, newPassword), 204)
			token = logInWith(t, h, newPassword).Text("access_token")
		}
	}
	h.MustRegister(t, "eve")
	eve := h.Login(t, "username", "eve@example.com", "password", impltest.Password).Text("access_token")
	canaries["verification, request"] = askVerification(t, h, eve)
	mail := h.CodeMail(t, "eve@example.com")
	canaries["verification, code"], canaries["verification, link"] = mail.Code.Reveal(), mail.Link.Reveal()
	awaitFiles(t, mails, "verify_email")
	dump()
	wantStatus(t, "verification", confirmVerification(t, h, eve, mail.Code.Reveal()), 204)
	dump()
	proved := reauthenticate(t, h, eve, impltest.Password)
	wantStatus(t, "reauthentication", proved, 200)
	wantStatus(t, "change", changePassword(t, h, proved.Text("access_token"), impltest.Password, changed), 204)
	canaries["token"], canaries["proved token"], canaries["proved refresh token"] = token, proved.Text("access_token"), proved.Text("refresh_token")
	awaitFiles(t, mails, "password_changed")
	dump()
	canaries["change of the email, request"] = requestEmailChange(t, h, eve, "eve@example.org").Text("request")
	mail = h.CodeMail(t, "eve@example.org")
	canaries["change of the email, code"], canaries["change of the email, link"] = mail.Code.Reveal(), mail.Link.Reveal()
	dump()
	wantStatus(t, "change of the email", confirmEmailChange(t, h, eve, mail.Code.Reveal()), 204)
	canaries["undo"] = undoOf(t, h, "eve@example.com")
	dump()
	wantStatus(t, "undo", undo(t, h, canaries["undo"]), 204)
	dump()
	if text := dumps.String(); !strings.Contains(text, `"purpose":"login_code"`) || !strings.Contains(text, `"kind":"mail"`) ||
		!strings.Contains(text, `"state":"completed"`) || !strings.Contains(text, ada) {
		t.Error("the dump is not one")
	}
	wantNoSecret(t, canaries, map[string]string{
		"the database": dumps.String(), "the log": h.Log.String(), "the letters": fmt.Sprintf("%+v", h.Mailbox.Letters()),
	})
}

// continueLoginAgain logs in with another code.
func continueLoginAgain(t *testing.T, h *impltest.Harness) (token string) {
	t.Helper()
	request := askCode(t, h, impltest.RequestLoginCodePath, ada)
	return continueLogin(t, h, request, h.CodeMail(t, ada).Code.Reveal()).Text("access_token")
}
