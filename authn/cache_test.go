package authn_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/authn"
)

// wantFetches checks the number of fetches, once no fetch is in progress.
func wantFetches(t *testing.T, s *server, v *authn.Verifier, want int) {
	t.Helper()
	v.AwaitFetch()
	if got := s.fetches(); got != want {
		t.Errorf("the keys were fetched %d times, want %d", got, want)
	}
}

func wantVerified(t *testing.T, v *authn.Verifier, token string) {
	t.Helper()
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("got %v", err)
	}
}

func wantError(t *testing.T, v *authn.Verifier, token string, want error) {
	t.Helper()
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestKeysAreFetchedOnceAndLate(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	v := s.verifier()
	wantError(t, v, "no token", authn.ErrInvalidToken)
	wantError(t, v, signer.sign(`{"alg":"HS256","kid":"ed","typ":"at+jwt"}`, goodClaims()), authn.ErrInvalidToken)
	if got := s.requests(); len(got) > 0 {
		t.Errorf("what can't be a token made us ask for %v", got)
	}
	for range 10 {
		wantVerified(t, v, s.token(signer))
	}
	if got, want := s.requests(), []string{metadataPath, keysPath}; !slices.Equal(got, want) {
		t.Errorf("got requests %v, want %v", got, want)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	before, after := newES256("before"), newEdDSA("after")
	s := newServer(t, before)
	v := s.verifier()
	wantVerified(t, v, s.token(before))

	s.advance(10 * time.Second)
	s.publish(before, after)
	wantVerified(t, v, s.token(after))
	wantVerified(t, v, s.token(before))
	wantFetches(t, s, v, 2)

	s.advance(10 * time.Second)
	s.publish(after)
	wantError(t, v, s.token(newES256("unknown")), authn.ErrInvalidToken) // which fetches
	wantError(t, v, s.token(before), authn.ErrInvalidToken)
	wantFetches(t, s, v, 3)
}

// A thousand tokens with made-up key ids cause one fetch in 10 s.
func TestBogusKeyIDs(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	v := s.verifier()
	wantVerified(t, v, s.token(signer))
	bogus := func() {
		for i := range 1000 {
			other := signer
			other.kid = fmt.Sprintf("bogus-%d", i)
			wantError(t, v, s.token(other), authn.ErrInvalidToken)
		}
	}
	bogus()
	wantFetches(t, s, v, 1)
	s.advance(10*time.Second - 1)
	bogus()
	wantFetches(t, s, v, 1)
	s.advance(1)
	bogus()
	wantFetches(t, s, v, 2)
	s.advance(10 * time.Second)
	bogus()
	wantFetches(t, s, v, 3)
	wantVerified(t, v, s.token(signer))
}

// The interval is kept while no key is known, too.
func TestBogusKeyIDsWhileDown(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	s.change(func() { s.status = 500 })
	v := s.verifier()
	for range 100 {
		wantError(t, v, s.token(signer), authn.ErrUnavailable)
	}
	if got, want := s.requests(), []string{metadataPath}; !slices.Equal(got, want) {
		t.Errorf("got requests %v, want %v", got, want)
	}
	s.change(func() { s.status = 200 })
	s.advance(time.Second - 1)
	wantError(t, v, s.token(signer), authn.ErrUnavailable)
	s.advance(1)
	wantVerified(t, v, s.token(signer))
}

// A stale set is used while it is fetched again: the token is verified although the handler's gate
// is closed.
func TestStaleWhileRevalidate(t *testing.T) {
	t.Parallel()
	before, after := newEdDSA("before"), newEdDSA("after")
	s := newServer(t, before)
	v := s.verifier()
	wantVerified(t, v, s.token(before))
	s.publish(after)

	s.advance(300*time.Second - 1)
	wantVerified(t, v, s.token(before))
	wantFetches(t, s, v, 1)

	gate := make(chan struct{})
	s.change(func() { s.gate = gate })
	s.advance(1)
	for range 10 {
		wantVerified(t, v, s.token(before))
	}
	close(gate)
	wantFetches(t, s, v, 2)
	wantError(t, v, s.token(before), authn.ErrInvalidToken)
	wantVerified(t, v, s.token(after))
}

// The first request after a long pause waits for the present keys, but not for a server that is
// down.
func TestIdle(t *testing.T) {
	t.Parallel()
	before, after := newEdDSA("before"), newEdDSA("after")
	s := newServer(t, before)
	v := s.verifier()
	wantVerified(t, v, s.token(before))
	s.publish(after)
	s.advance(time.Hour)
	wantError(t, v, s.token(before), authn.ErrInvalidToken)
	wantVerified(t, v, s.token(after))

	s.change(func() { s.status = 500 })
	s.advance(time.Hour)
	wantVerified(t, v, s.token(after)) // it has waited, and the fetch has failed
	gate := make(chan struct{})
	s.change(func() { s.gate = gate })
	s.advance(time.Hour)
	wantVerified(t, v, s.token(after)) // nor does it wait again
	close(gate)
	v.AwaitFetch()
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cacheControl string
		age          string
		fresh        time.Duration
	}{
		{"max-age=300", "200", 100 * time.Second},
		{"max-age=300", "400", time.Minute},
		{"max-age=300", "-1", 5 * time.Minute},
		{"public, max-age=300", "", 5 * time.Minute},
		{"MAX-AGE=300", "", 5 * time.Minute},
		{`max-age="300", public`, "", 5 * time.Minute},
		{"max-age=61", "", 61 * time.Second},
		{"max-age=1", "", time.Minute},
		{"", "", time.Minute},
		{"no-store", "", time.Minute},
		{"max-age=-300", "", time.Minute},
		{"max-age=x", "", time.Minute},
		{"s-maxage=300, x-max-age=300", "", time.Minute},
	} {
		t.Run(test.cacheControl+" "+test.age, func(t *testing.T) {
			t.Parallel()
			signer := newEdDSA("ed")
			s := newServer(t, signer)
			s.change(func() { s.cacheControl, s.age = test.cacheControl, test.age })
			v := s.verifier()
			wantVerified(t, v, s.token(signer))
			s.advance(test.fresh - 1)
			wantVerified(t, v, s.token(signer))
			wantFetches(t, s, v, 1)
			s.advance(1)
			wantVerified(t, v, s.token(signer))
			wantFetches(t, s, v, 2)
		})
	}
}

// However long the server allows to cache the keys, they are fetched again after a day. After that
// the former keys aren't used.
func TestMaxAgeIsBounded(t *testing.T) {
	t.Parallel()
	for _, seconds := range []string{"86400", "31536000", "99999999999999999999"} {
		before, after := newEdDSA("before"), newEdDSA("after")
		s := newServer(t, before)
		s.change(func() { s.cacheControl = "max-age=" + seconds })
		v := s.verifier()
		wantVerified(t, v, s.token(before))
		s.publish(after)
		s.advance(24*time.Hour - 1)
		wantVerified(t, v, s.token(before))
		wantFetches(t, s, v, 1)
		s.advance(1)
		wantError(t, v, s.token(before), authn.ErrInvalidToken)
		wantVerified(t, v, s.token(after))
		wantFetches(t, s, v, 2)
	}
}

// Known keys are used for a day after the last successful fetch, with a try every 10 s.
func TestStaleWhileDown(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]func(*server){
		"status 500":       func(s *server) { s.status = 500 },
		"status 404":       func(s *server) { s.status = 404 },
		"no JSON":          func(s *server) { s.keySet = "<html>" },
		"no set":           func(s *server) { s.keySet = "{}" },
		"no metadata":      func(s *server) { s.metadata = "{}" },
		"another document": func(s *server) { s.metadata = `["latchkey"]` },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signer := newEdDSA("ed")
			s := newServer(t, signer)
			v := s.verifier()
			wantVerified(t, v, s.token(signer))
			s.change(func() { down(s) })
			s.advance(time.Hour)
			for i := range 3 {
				s.advance(10 * time.Second)
				wantVerified(t, v, s.token(signer))
				v.AwaitFetch()
				wantVerified(t, v, s.token(signer))
				v.AwaitFetch()
				if got := count(s.requests(), metadataPath); got != i+2 {
					t.Errorf("got %d attempts, want %d", got, i+2)
				}
			}
			s.advance(23*time.Hour - 30*time.Second - 1)
			wantVerified(t, v, s.token(signer))
			v.AwaitFetch()
			s.advance(1)
			wantError(t, v, s.token(signer), authn.ErrUnavailable)
			s.change(func() { s.status, s.metadata, s.keySet = 200, "", "" })
			s.advance(10 * time.Second)
			wantVerified(t, v, s.token(signer))
		})
	}
}

// A server whose set has no usable key has withdrawn its former keys.
func TestWithdrawnKeys(t *testing.T) {
	t.Parallel()
	for name, withdraw := range map[string]func(*server){
		"no jwks_uri":  func(s *server) { s.keysURI = "-" },
		"an empty set": func(s *server) { s.keySet = `{"keys":[]}` },
		"HS256 alone":  func(s *server) { s.keySet = `{"keys":[{"kty":"oct","alg":"HS256","kid":"h","use":"sig","k":"AAAA"}]}` },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signer := newEdDSA("ed")
			s := newServer(t, signer)
			v := s.verifier()
			wantVerified(t, v, s.token(signer))
			s.change(func() { withdraw(s) })
			s.advance(5 * time.Minute)
			wantVerified(t, v, s.token(signer)) // which fetches
			v.AwaitFetch()
			wantError(t, v, s.token(signer), authn.ErrUnavailable)
		})
	}
}

// A fetch doesn't end with the caller who began it: the caller leaves, and the next one finds the
// keys.
func TestFetchOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	entered, gate := make(chan struct{}, 2), make(chan struct{})
	s.change(func() { s.entered, s.gate = entered, gate })
	v := s.verifier()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := v.Verify(ctx, s.token(signer))
		result <- err
	}()
	<-entered
	cancel()
	if err := <-result; !errors.Is(err, authn.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(gate)
	v.AwaitFetch()
	wantVerified(t, v, s.token(signer))
	wantFetches(t, s, v, 1)
}

// A fetch that takes longer than the interval is still the only one.
func TestSlowFetchIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	gate := make(chan struct{})
	s.change(func() { s.gate = gate })
	v := s.verifier()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if _, err := v.Verify(ctx, s.token(signer)); !errors.Is(err, authn.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		s.advance(11 * time.Second)
	}
	close(gate)
	v.AwaitFetch()
	wantVerified(t, v, s.token(signer))
	wantFetches(t, s, v, 1)
}

// A known key needs no waiting, so an ended context doesn't matter.
func TestKnownKeyWithEndedContext(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	s := newServer(t, signer)
	v := s.verifier()
	wantVerified(t, v, s.token(signer))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Verify(ctx, s.token(signer)); err != nil {
		t.Error(err)
	}
}

func count(all []string, one string) int {
	n := 0
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}
