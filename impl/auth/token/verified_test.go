package token

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/authn"
)

// A remembered token is still refused before and after its time.
func TestRememberedTokenHasItsTime(t *testing.T) {
	t.Parallel()
	f := newForger(t, "ES256")
	issued := time.Unix(testNow.Unix(), 0)
	later := replaced(goodClaims(), `{`, fmt.Sprintf(`{"nbf":%d,`, issued.Unix()+20))
	for name, row := range map[string]struct {
		token string
		begin time.Duration
	}{
		"without nbf": {f.forge(f.header(), goodClaims()), 0},
		"with nbf":    {f.forge(f.header(), later), 20 * time.Second},
	} {
		now := issued.Add(time.Minute)
		o := tokenOptions()
		o.Keys, o.Now = f.ring, func() time.Time { return now }
		tokens, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		check := func(at time.Duration, ok bool) {
			now = issued.Add(at)
			if _, err := tokens.Check(t.Context(), row.token); (err == nil) != ok || !ok && !errors.Is(err, ErrInvalid) {
				t.Errorf("%s, at %s: got %v", name, at, err)
			}
		}
		check(time.Minute, true)
		if _, ok := tokens.verified.Get(sha256.Sum256([]byte(row.token))); !ok {
			t.Fatalf("%s: it isn't remembered", name)
		}
		check(row.begin-authn.Leeway-1, false)
		check(row.begin-authn.Leeway, true)
		check(15*time.Minute+authn.Leeway-1, true)
		check(15*time.Minute+authn.Leeway, false)
	}
}
