package impl_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// limited is a harness with limits, behind a proxy that says where a request comes from.
func limited(t *testing.T) *impltest.Harness {
	t.Helper()
	return impltest.New(t, impltest.Options{Limits: true, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
}

// loginFrom tries to log in from an address; headers come in pairs.
func loginFrom(t *testing.T, h *impltest.Harness, address, email, password string, headers ...string) impltest.Answer {
	t.Helper()
	r := h.LoginRequest("username", email, "password", password)
	r.Header.Set("X-Forwarded-For", address)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return h.Do(t, r)
}

func registerFrom(t *testing.T, h *impltest.Harness, address, username string) impltest.Answer {
	t.Helper()
	body := fmt.Sprintf(`{"email":"%s@example.com","username":%q,"password":%q}`, username, username, impltest.Password)
	return h.Do(
		t,
		h.Request("POST", impltest.RegisterPath, body, "Content-Type", "application/json", "X-Forwarded-For", address),
	)
}

// guess sends wrong passwords, each from another address, and returns how many a limit has refused.
func guess(t *testing.T, h *impltest.Harness, email string, times int) (refused int) {
	t.Helper()
	for i := range times {
		switch a := loginFrom(t, h, fmt.Sprintf("203.0.%d.%d", 113+i/250, i%250), email, "a wrong password"); a.Status {
		case 401:
		case 429:
			refused++
		default:
			t.Fatalf("guess %d: got %d %s", i, a.Status, a.Body)
		}
	}
	return refused
}

const home = "198.51.100.7"

// A thousand addresses that guess one account get ten guesses, and one more each quarter of an
// hour. The owner isn't blocked.
func TestL5_ManyAddressesGuessOneAccount(t *testing.T) {
	t.Parallel()
	h := limited(t)
	session := registerFrom(t, h, home, "ada").Text("token.access_token")
	if got := guess(t, h, "ada@example.com", 1000); got != 990 {
		t.Errorf("%d of 1000 guesses were refused, want 990", got)
	}
	for name, row := range map[string]struct {
		address, password, token string
		want                     int
	}{
		"from an address that she knows":              {home, impltest.Password, "", 200},
		"a stranger with the right password":          {"203.0.113.99", impltest.Password, "", 429},
		"with her session, from elsewhere":            {"203.0.113.98", impltest.Password, session, 200},
		"a wrong password, from an address she knows": {home, "a wrong password", "", 401},
		"somebody else's session":                     {"203.0.113.97", impltest.Password, registerFrom(t, h, "192.0.2.1", "eve").Text("token.access_token"), 429},
		"no session":                                  {"203.0.113.96", impltest.Password, "not.a.token", 429},
	} {
		var headers []string
		if row.token != "" {
			headers = []string{"Authorization", "Bearer " + row.token}
		}
		if a := loginFrom(t, h, row.address, "ada@example.com", row.password, headers...); a.Status != row.want {
			t.Errorf("%s: got %d %s, want %d", name, a.Status, a.Body, row.want)
		}
	}
	h.Clock.Advance(15 * time.Minute)
	if got := guess(t, h, "ada@example.com", 5); got != 4 {
		t.Errorf("a quarter of an hour later %d of 5 guesses were refused, want 4", got)
	}
}

// An account's own budget at a known address is limited too: an attacker at the owner's address
// can't guess for ever.
func TestL5_OwnBudget(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	for i := range 12 {
		want := 401
		if i >= 10 {
			want = 429
		}
		a := loginFrom(t, h, home, "ada@example.com", "a wrong password")
		if a.Status != want {
			t.Errorf("guess %d: got %d %s, want %d", i, a.Status, a.Body, want)
		}
		if want == 429 && !strings.HasPrefix(a.Header.Get("RateLimit"), `"own"`) {
			t.Errorf("guess %d: RateLimit %s", i, a.Header.Get("RateLimit"))
		}
	}
	h.Clock.Advance(5 * time.Minute)
	if a := loginFrom(t, h, home, "ada@example.com", impltest.Password); a.Status != 200 {
		t.Errorf("five minutes later: got %d %s", a.Status, a.Body)
	}
	// An address that wasn't used for long is a stranger again.
	h.Clock.Advance(91 * 24 * time.Hour)
	guess(t, h, "ada@example.com", 10)
	if a := loginFrom(t, h, home, "ada@example.com", impltest.Password); a.Status != 429 {
		t.Errorf("a quarter of a year later: got %d %s", a.Status, a.Body)
	}
}

// One address that guesses a thousand accounts gets a hundred guesses, and one more each 36 s. A
// whole /64 is one address.
func TestL5_OneAddressGuessesManyAccounts(t *testing.T) {
	t.Parallel()
	h := limited(t)
	for i := range 1000 {
		address := fmt.Sprintf("2001:db8:1:2::%x", i)
		a := loginFrom(t, h, address, fmt.Sprintf("user%d@example.com", i), "a wrong password")
		if want := 401; i >= 100 {
			want = 429
			if a.Status != want || !strings.HasPrefix(a.Header.Get("RateLimit"), `"address"`) {
				t.Fatalf("guess %d: got %d, RateLimit %s", i, a.Status, a.Header.Get("RateLimit"))
			}
		} else if a.Status != want {
			t.Fatalf("guess %d: got %d %s", i, a.Status, a.Body)
		}
	}
	if a := loginFrom(t, h, "2001:db8:1:3::1", "user1@example.com", "a wrong password"); a.Status != 401 {
		t.Errorf("the next network: got %d", a.Status)
	}
	// What was refused because of the address has cost the accounts nothing.
	if got := guess(t, h, "user900@example.com", 10); got != 0 {
		t.Errorf("%d of 10 guesses at an account that only the held address has tried were refused", got)
	}
	h.Clock.Advance(36 * time.Second)
	if a := loginFrom(t, h, "2001:db8:1:2::1", "user7@example.com", "a wrong password"); a.Status != 401 {
		t.Errorf("36 s later: got %d", a.Status)
	}
}

// L-6: a limit applies to an unknown email as to a known one and to a deactivated account: the
// statuses, headers and bodies are the same.
func TestL6_LimitsTellNothing(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	registerFrom(t, h, home, "gone")
	gone, err := h.Auth.FindUser(t.Context(), "gone")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Auth.Deactivate(t.Context(), auth.Operator{}, gone.ID); err != nil {
		t.Fatal(err)
	}
	told := func(email string) []string {
		var all []string
		for i := range 15 {
			a := loginFrom(t, h, fmt.Sprintf("192.0.2.%d", i), email, "a wrong password")
			a.Header.Del("X-Request-Id")
			a.Header.Del("Date")
			all = append(all, fmt.Sprint(a.Status, a.Header, string(a.Body)))
		}
		return all
	}
	known := told("ada@example.com")
	if !strings.HasPrefix(known[9], "401") || !strings.HasPrefix(known[10], "429") {
		t.Fatalf("got %v", known[9:11])
	}
	for _, email := range []string{"nobody@example.com", "gone@example.com"} {
		if diff := cmp.Diff(known, told(email)); diff != "" {
			t.Errorf("%s:\n%s", email, diff)
		}
	}
}

// The fields of a 429 are true: the next attempt is accepted after Retry-After, and not a second
// before.
func TestRetryAfterIsTrue(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	guess(t, h, "ada@example.com", 10)
	a := loginFrom(t, h, "192.0.2.1", "ada@example.com", impltest.Password)
	got := []string{
		a.Header.Get("Retry-After"),
		a.Header.Get("RateLimit"),
		a.Header.Get("RateLimit-Policy"),
		a.Text("code"),
		a.Text("error"),
	}
	want := []string{"900", `"account";r=0;t=900`, `"account";q=10;w=9000`, "rate_limited", "temporarily_unavailable"}
	if diff := cmp.Diff(want, got); a.Status != 429 || diff != "" {
		t.Errorf("got %d\n%s", a.Status, diff)
	}
	h.Clock.Advance(899 * time.Second)
	if a := loginFrom(
		t,
		h,
		"192.0.2.1",
		"ada@example.com",
		impltest.Password,
	); a.Status != 429 ||
		a.Header.Get("Retry-After") != "1" {
		t.Errorf("a second before: got %d, Retry-After %s", a.Status, a.Header.Get("Retry-After"))
	}
	h.Clock.Advance(time.Second)
	if a := loginFrom(t, h, "192.0.2.1", "ada@example.com", impltest.Password); a.Status != 200 {
		t.Errorf("then: got %d %s", a.Status, a.Body)
	}
}

// A user who logs in often isn't blocked, because successful logins are refunded.
func TestSuccessesAreGivenBack(t *testing.T) {
	t.Parallel()
	h := limited(t)
	for u := range 3 {
		registerFrom(t, h, "192.0.2.1", fmt.Sprintf("user%d", u))
	}
	before := charged(t, h)
	for i := range 150 {
		if a := loginFrom(t, h, home, fmt.Sprintf("user%d@example.com", i%3), impltest.Password); a.Status != 200 {
			t.Fatalf("login %d: got %d %s", i, a.Status, a.Body)
		}
	}
	if got := charged(t, h); got != before {
		t.Errorf("the logins left %v s charged, want %v", got, before)
	}
	if got := guess(t, h, "user0@example.com", 10); got != 0 {
		t.Errorf("%d of 10 guesses were refused: the logins have been charged to the account", got)
	}
}

func TestL5_Registrations(t *testing.T) {
	t.Parallel()
	h := limited(t)
	for i := range 52 {
		want := 201
		if i >= 50 {
			want = 429
		}
		if a := registerFrom(t, h, home, fmt.Sprintf("user%d", i)); a.Status != want {
			t.Errorf("registration %d: got %d %s, want %d", i, a.Status, a.Body, want)
		}
	}
	// A client that asks again and again whether an email is taken is blocked too.
	for i := range 7 {
		want := 409
		if i >= 4 {
			want = 429
		}
		if a := registerFrom(t, h, fmt.Sprintf("192.0.2.%d", i), "user1"); a.Status != want {
			t.Errorf("registration %d of a taken email: got %d %s, want %d", i, a.Status, a.Body, want)
		}
	}
	h.Clock.Advance(72 * time.Second)
	if a := registerFrom(t, h, home, "later"); a.Status != 201 {
		t.Errorf("72 s later: got %d %s", a.Status, a.Body)
	}
}

// Parallel attempts count one by one.
func TestL5_GuessesAtOnce(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	statuses := make(chan int, 60)
	var wg sync.WaitGroup
	for i := range cap(statuses) {
		wg.Go(func() {
			r := h.LoginRequest("username", "ada@example.com", "password", "a wrong password")
			r.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i))
			a, err := h.Try(t, r)
			if err != nil {
				t.Error(err)
			}
			statuses <- a.Status
		})
	}
	wg.Wait()
	close(statuses)
	got := map[int]int{}
	for status := range statuses {
		got[status]++
	}
	if diff := cmp.Diff(map[int]int{401: 10, 429: 50}, got); diff != "" {
		t.Error(diff)
	}
}

// The budgets are in the database, so three instances don't give three times as many guesses.
func TestLimitsAreShared(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	guess(t, h, "ada@example.com", 10)
	other := h.Beside(t)
	if a := loginFrom(t, other, "192.0.2.1", "ada@example.com", impltest.Password); a.Status != 429 {
		t.Errorf("a stranger at another instance: got %d %s", a.Status, a.Body)
	}
	if a := loginFrom(t, other, home, "ada@example.com", impltest.Password); a.Status != 200 {
		t.Errorf("the owner at another instance: got %d %s", a.Status, a.Body)
	}
}

// Passwords that are sprayed over many accounts from many addresses use up no budget. The metrics
// show them, and they cost no other address anything.
func TestL5_SprayFromManyAddresses(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	const spray = 700
	for i := range spray {
		a := loginFrom(t, h, fmt.Sprintf("203.0.%d.%d", i%7, i/7), fmt.Sprintf("user%d@example.com", i), "a wrong password")
		if a.Status != 401 {
			t.Fatalf("attempt %d: got %d %s", i, a.Status, a.Body)
		}
	}
	if got := h.Auth.Stats().LoginsFailed; got != spray {
		t.Errorf("%d failed logins were counted, want %d", got, spray)
	}
	for i := range 12 {
		if a := loginFrom(t, h, "192.0.2.1", fmt.Sprintf("new%d@example.com", i), "a wrong password"); a.Status != 401 {
			t.Errorf("attempt %d of one address: got %d, want 401", i, a.Status)
		}
	}
	for _, address := range []string{home, "192.0.2.2"} {
		if a := loginFrom(t, h, address, "ada@example.com", impltest.Password); a.Status != 200 {
			t.Errorf("a person at %s: got %d %s", address, a.Status, a.Body)
		}
	}
}

// A clock that is set back, or that is ahead at another instance, blocks nobody for longer than a
// window.
func TestLimitsSurviveTheClock(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, "192.0.2.1", "ada")
	h.Clock.Advance(365 * 24 * time.Hour)
	guess(t, h, "ada@example.com", 10)
	h.Clock.Advance(-365 * 24 * time.Hour)
	if got := guess(t, h, "ada@example.com", 2); got != 1 {
		t.Errorf("%d of 2 guesses were refused, want 1", got)
	}
}

// The sweep deletes the budgets that are whole, however many there are, and no others.
func TestSweep(t *testing.T) {
	t.Parallel()
	h := limited(t)
	registerFrom(t, h, home, "ada")
	guess(t, h, "ada@example.com", 10)
	now := h.Clock.Now()
	const many = 25_000
	if _, err := h.Pool.Exec(
		t.Context(),
		"INSERT INTO rate_limits SELECT sha256(int4send(n)), $1 FROM generate_series(1, $2::int) n",
		now.Add(-time.Second),
		many,
	); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Pool.Exec(
		t.Context(),
		"INSERT INTO known_addresses SELECT sha256(int4send(n)), $1, users.id FROM generate_series(1, $2::int) n, users",
		now.Add(-91*24*time.Hour),
		many,
	); err != nil {
		t.Fatal(err)
	}
	deleted, err := h.Limiter.Sweep(t.Context())
	if err != nil || deleted != 2*many {
		t.Errorf("deleted %d, %v; want %d", deleted, err, 2*many)
	}
	if got := guess(t, h, "ada@example.com", 1); got != 1 {
		t.Error("the sweep has forgotten a budget that was used up")
	}
	if a := loginFrom(t, h, home, "ada@example.com", impltest.Password); a.Status != 200 {
		t.Errorf("the sweep has forgotten the owner's address: %d", a.Status)
	}
}
