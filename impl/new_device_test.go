package impl_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// loginNotices returns the addresses in the mails about logins to an account, the oldest first.
func loginNotices(t *testing.T, h *impltest.Harness, to string) (addresses []string) {
	t.Helper()
	for _, data := range h.Mails(t, to) {
		if notice, ok := data.(auth.LoginNotice); ok {
			addresses = append(addresses, notice.Address)
		}
	}
	return addresses
}

func wantNotices(t *testing.T, h *impltest.Harness, what string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, loginNotices(t, h, ada)); diff != "" {
		t.Errorf("%s: mails about logins from (-want +got):\n%s", what, diff)
	}
}

// A login from a network that the account doesn't know causes a mail. Other logins don't, and
// neither does a registration.
func TestNewDeviceMails(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	wantNotices(t, h, "a registration")
	const away, byCode = "203.0.113.9", "2001:db8:1:2::7"
	logIn := func(address string, headers ...string) {
		t.Helper()
		wantStatus(t, address, loginFrom(t, h, address, ada, impltest.Password, headers...), 200)
	}
	logIn(home)
	wantNotices(t, h, "the network of the registration")
	wantStatus(t, "a wrong password", loginFrom(t, h, away, ada, "wrong"), 401)
	wantNotices(t, h, "a login that failed")
	logIn(away, "User-Agent", "Mozilla/5.0 \u00e9")
	logIn(away)
	logIn(home)
	wantNotices(t, h, "another network", away)
	data := h.Mails(t, ada)[0].(auth.LoginNotice)
	want := auth.LoginNotice{
		Notice:   auth.Notice{Email: ada, At: h.Clock.Now()},
		Username: "ada", Address: away,
	}
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("the mail (-want +got):\n%s", diff)
	}

	request := askFrom(t, h, byCode, impltest.RequestLoginCodePath, ada).Text("request")
	body := `{"request":"` + request + `","factor":"email_code","code":"` + h.CodeMail(t, ada).Code.Reveal() + `"}`
	r := h.Request("POST", impltest.ContinueLoginPath, body, "Content-Type", mediaJSON, "X-Forwarded-For", byCode)
	wantStatus(t, "by code", h.Do(t, r), 200)
	wantNotices(t, h, "a login by code", away, byCode)

	registerFrom(t, h, home, "eve")
	wantStatus(t, "another account", loginFrom(t, h, away, "eve@example.com", impltest.Password), 200)
	if got := loginNotices(t, h, "eve@example.com"); len(got) != 1 {
		t.Errorf("a network that another account knows: %v", got)
	}
	// The login by code has proved the mailbox. Before that, no text of the client is mailed.
	// Otherwise a client that registers another person's email could send any text to its owner.
	if data := h.Mails(t, ada)[0].(auth.LoginNotice); data.UserAgent != "Mozilla/5.0 ?" {
		t.Errorf("once the email is proved: the mail is %+v", data)
	}
	h.Clock.Advance(24*time.Hour + time.Second)
	wantNotices(t, h, "a day later") // they aren't worth sending
}

// An account forgets a network after 90 days, and when all of its sessions have ended.
func TestNewDeviceMailsOfForgottenNetworks(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	const away = "203.0.113.9"
	logIn := func(address string) string {
		t.Helper()
		return loginFrom(t, h, address, ada, impltest.Password).Text("access_token")
	}
	token := logIn(away)
	r := h.Request("DELETE", impltest.SessionsPath, "", "Authorization", "Bearer "+token, "X-Forwarded-For", away)
	wantStatus(t, "the end of all sessions", h.Do(t, r), 204)
	logIn(away)
	wantNotices(t, h, "the network that has ended the sessions", away)
	logIn(home)
	wantNotices(t, h, "another one", away, home)
	h.Clock.Advance(89 * 24 * time.Hour)
	logIn(home)
	wantNotices(t, h, "89 days later")
	h.Clock.Advance(90 * 24 * time.Hour)
	logIn(home)
	wantNotices(t, h, "90 days later", home)
}

// Without limits no network is known, so no login causes a mail.
func TestNewDeviceMailsWithoutLimits(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	wantStatus(t, "a login", logInWith(t, h, impltest.Password), 200)
	wantNotices(t, h, "without limits")
}

// A mail about a login is not sent once its user was deleted, and not enqueued if the login failed.
func TestNewDeviceMailsThatEnd(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	token := loginFrom(t, h, "203.0.113.9", ada, impltest.Password).Text("access_token")
	wantNotices(t, h, "before", "203.0.113.9")
	wantStatus(t, "the deletion", as(t, h, token, "DELETE", impltest.MePath), 204)
	wantNotices(t, h, "after the deletion")
	if log := h.Log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log has %s", log)
	}
}

// A login from a known network runs no more statements because of these mails.
func TestLoginFromAKnownNetworkCostsNothingMore(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	var counted counting
	other := h.On(t, tracedPool(t, h, &counted))
	wantStatus(t, "the login", loginFrom(t, other, home, ada, impltest.Password), 200)
	want := map[string]int{
		"AttemptVouch": 1, "BudgetTake": 2, "UserGetCredentials": 1, "begin": 1, "UserLogIn": 1, "PasswordGet": 1,
		"SessionOpen": 1, "SessionTrim": 1, "AddressKnow": 1, "EventAdd": 1, "commit": 1, "BudgetReturn": 1, "BudgetForgive": 1,
	}
	for _, atStart := range []string{"SigningKeyList", "SealedKeyGet"} {
		delete(counted.names, atStart)
	}
	if diff := cmp.Diff(want, counted.names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
