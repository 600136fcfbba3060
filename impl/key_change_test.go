package impl_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/auth/token"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// A command doesn't know how long the servers' tokens live. Their key knows it.
func TestR6_RotationByWhoeverHasOtherSettings(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	h := impltest.New(t)
	h.MustRegister(t, "ada")
	patient := h.With(t, impltest.Options{Tokens: token.Options{TTL: day}})
	command, err := keyring.OpenAsIs(t.Context(), keyringOptions(h))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := command.Rotate(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(keyring.MinLead - time.Second)
	last, _ := login(t, patient, "ada")
	h.Clock.Advance(day - time.Second)
	follow(t, patient)
	if a := patient.Me(t, last); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	h.Clock.Advance(time.Minute)
	follow(t, patient)
	if got := publishedIDs(t, patient); len(got) != 1 || got[0] == kidOf(t, last) {
		t.Errorf("published are %v", got)
	}
}

// keyringOptions returns the options of the harness's own keyring.
func keyringOptions(h *impltest.Harness) keyring.Options {
	return keyring.Options{
		Options:   store.Options{DB: h.Pool, Secret: secret.New(impltest.SecretKey), Now: h.Clock.Now},
		Lead:      keyring.MinLead,
		Algorithm: "ES256",
		TokenTTL:  15 * time.Minute,
	}
}

// A key that can't be unsealed counts as missing. The ring still follows what others do to the
// other keys.
func TestAKeyThatCannotBeUnsealed(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	beside := h.Beside(t)
	h.MustRegister(t, "ada")
	access, token := login(t, h, "ada")
	old := kidOf(t, access)
	rotate(t, h, 0)
	bad := publishedIDs(t, h)[1]
	key := h.SigningKey(t)
	execute(t, h, "UPDATE signing_keys SET sealed = sealed || '!' WHERE kid = $1", bad)
	if err := beside.Keys.Follow(t.Context()); !errors.Is(err, keyring.ErrUnreadable) {
		t.Errorf("got %v", err)
	}
	if a := beside.Me(t, access); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if got := publishedIDs(t, beside); !slices.Equal(got, []string{old}) {
		t.Errorf("published are %v", got)
	}
	// A token under the unreadable key may be valid, so it gets a 503. A token under a key that
	// nobody has gets a 401.
	for kid, want := range map[string]int{bad: 503, "nobody's": 401} {
		token := sign(t, key.Method, map[string]any{"typ": "at+jwt", "kid": kid}, decodePart(t, access, 1), key.Key)
		if a := beside.Me(t, token); a.Status != want {
			t.Errorf("%s: got %d %s", kid, a.Status, a.Body)
		}
	}
	if _, err := keyring.Open(t.Context(), keyringOptions(h)); !errors.Is(err, keyring.ErrUnreadable) {
		t.Errorf("got %v", err)
	}
	execute(t, h, "UPDATE signing_keys SET verifies_until = $1 WHERE kid = $2", h.Clock.Now(), old)
	if err := beside.Keys.Follow(t.Context()); !errors.Is(err, keyring.ErrSealed) {
		t.Errorf("got %v", err)
	}
	// The published keys aren't known, and no key signs.
	for name, a := range map[string]impltest.Answer{
		"keys":     beside.Do(t, beside.Request("GET", impltest.KeysPath, "")),
		"metadata": beside.Do(t, beside.Request("GET", impltest.MetadataPath, "")),
		"register": beside.Register(t, "eve@example.com", "eve", impltest.Password),
	} {
		if a.Status != 503 || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %v %s", name, a.Status, a.Header, a.Body)
		}
	}
	if a := beside.Do(t, beside.Request("GET", "/readyz", "")); a.Status != 503 || a.Text("code") != "keys_unavailable" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	// No key signs, so nothing is rotated: the refresh token is still valid when there is a key
	// again.
	for range 2 {
		if a := refresh(t, beside, token); a.Status != 503 {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
		h.Clock.Advance(time.Minute)
	}
	execute(t, h, "UPDATE signing_keys SET verifies_until = NULL WHERE kid = $1", old)
	command, err := keyring.OpenAsIs(t.Context(), keyringOptions(h))
	if err != nil {
		t.Fatal(err)
	}
	// The unreadable key can be retired as any other.
	if err := command.Retire(t.Context(), bad); err != nil {
		t.Error(err)
	}
	follow(t, beside)
	wantRefreshed(t, refresh(t, beside, token))
	if a := beside.Register(t, "eve@example.com", "eve", impltest.Password); a.Status != 201 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

func execute(t *testing.T, h *impltest.Harness, sql string, args ...any) {
	t.Helper()
	if _, err := h.Pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// A command that lacks the setting doesn't change the algorithm of the keys.
func TestOpenKeyringAsIs(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Algorithm: "EdDSA"})
	o := keyringOptions(h)
	if _, err := keyring.OpenAsIs(t.Context(), o); !errors.Is(err, keyring.ErrOtherAlgorithm) {
		t.Errorf("got %v", err)
	}
	if err := keyring.RetireAll(t.Context(), o); !errors.Is(err, keyring.ErrOtherAlgorithm) {
		t.Errorf("got %v", err)
	}
	o.Algorithm = "EdDSA"
	if _, err := keyring.OpenAsIs(t.Context(), o); err != nil {
		t.Error(err)
	}
	if got := publishedIDs(t, h.Beside(t)); len(got) != 1 {
		t.Errorf("published are %v", got)
	}
}

// The secret key seals the keys. A change of it logs nobody out if the server also gets the former
// one.
func TestSecretKeyChange(t *testing.T) {
	t.Parallel()
	const former, present = impltest.SecretKey, "Qm7xT2vLk9ZpR4wBn6YcH1sJf8GdU3eKa5XoVtW0iNrMqPyC"
	for _, algorithm := range keyring.Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t, impltest.Options{Algorithm: algorithm, Secret: former})
			h.MustRegister(t, "ada")
			access, token := login(t, h, "ada")
			o := keyring.Options{
				Options: store.Options{DB: h.Pool, Secret: secret.New(present), Now: h.Clock.Now},
				Lead:    keyring.MinLead, Algorithm: algorithm, TokenTTL: 15 * time.Minute,
			}
			if _, err := keyring.Open(t.Context(), o); !errors.Is(err, keyring.ErrSealed) {
				t.Errorf("got %v", err)
			}
			changed := h.With(t, impltest.Options{Algorithm: algorithm, Secret: present, Previous: former})
			if a := changed.Me(t, access); a.Status != 200 {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
			_, token = wantRefreshed(t, refresh(t, changed, token))
			h.Clock.Advance(time.Hour)
			follow(t, changed)
			// From then on the former secret key isn't needed any more.
			alone := h.With(t, impltest.Options{Algorithm: algorithm, Secret: present})
			access, _ = wantRefreshed(t, refresh(t, alone, token))
			if a := alone.Me(t, access); a.Status != 200 {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
			// If the secret key is lost, all keys can be ended, and everybody logs in again.
			lost := o
			lost.Secret = secret.New("Zb4nW8rKq1XvM6tYc9PhL3sGj7FdR2eUa5ToQiV0kNxBmJwH")
			if err := keyring.RetireAll(t.Context(), lost); err != nil {
				t.Fatal(err)
			}
			third := h.With(t, impltest.Options{Algorithm: algorithm, Secret: lost.Secret.Reveal()})
			wantRefusal(t, third.Me(t, access), badToken)
			access, _ = login(t, third, "ada")
			if a := third.Me(t, access); a.Status != 200 {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
		})
	}
}

// An instance that still has the former secret key continues with the keys that it holds. It makes
// no key that the others couldn't unseal.
func TestSecretKeyChangeBesideAnInstanceWithTheFormerOne(t *testing.T) {
	t.Parallel()
	const present = "Qm7xT2vLk9ZpR4wBn6YcH1sJf8GdU3eKa5XoVtW0iNrMqPyC"
	h := impltest.New(t)
	access := h.MustRegister(t, "ada")
	changed := h.With(t, impltest.Options{Secret: present, Previous: impltest.SecretKey})
	follow(t, h)
	for _, instance := range []*impltest.Harness{h, changed} {
		if a := instance.Me(t, access); a.Status != 200 {
			t.Errorf("got %d %s", a.Status, a.Body)
		}
		if got := publishedIDs(t, instance); !slices.Equal(got, []string{kidOf(t, access)}) {
			t.Errorf("published are %v", got)
		}
	}
	if _, err := h.Keys.Rotate(t.Context(), 0); !errors.Is(err, keyring.ErrSealed) {
		t.Errorf("got %v", err)
	}
	rotate(t, changed, 0)
	if got := publishedIDs(t, changed); len(got) != 2 {
		t.Errorf("published are %v", got)
	}
}

// The secret key itself can't be retired, and the command says so.
func TestRetirementOfTheSecretKey(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{Algorithm: "HS256"})
	access := h.MustRegister(t, "ada")
	o := keyringOptions(h)
	o.Algorithm = "HS256"
	for name, err := range map[string]error{
		"by itself": h.Keys.Retire(t.Context(), kidOf(t, access)),
		"with all":  keyring.RetireAll(t.Context(), o),
	} {
		if !errors.Is(err, keyring.ErrSecretSigns) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if a := h.Me(t, access); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// A change from each algorithm to each other logs nobody out. The new key signs when everybody has
// it.
func TestAlgorithmChange(t *testing.T) {
	t.Parallel()
	for _, from := range keyring.Algorithms {
		for _, to := range keyring.Algorithms {
			if from == to {
				continue
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				h := impltest.New(t, impltest.Options{Algorithm: from})
				h.MustRegister(t, "ada")
				first, token := login(t, h, "ada")
				changed := h.With(t, impltest.Options{Algorithm: to})
				meanwhile, token := wantRefreshed(t, refresh(t, changed, token))
				if headerOf(t, meanwhile)["alg"] != from {
					t.Error("the new key signs before everybody knows it")
				}
				for _, token := range []string{first, meanwhile} {
					if a := changed.Me(t, token); a.Status != 200 {
						t.Errorf("got %d %s", a.Status, a.Body)
					}
				}
				h.Clock.Advance(keyring.MinLead)
				after, _ := wantRefreshed(t, refresh(t, changed, token))
				if headerOf(t, after)["alg"] != to {
					t.Error("the new key doesn't sign")
				}
				// After a change back, the former key signs at once unless it has ended.
				back := h.With(t, impltest.Options{Algorithm: from})
				for _, token := range []string{meanwhile, after} {
					if a := back.Me(t, token); a.Status != 200 {
						t.Errorf("got %d %s", a.Status, a.Body)
					}
				}
				h.Clock.Advance(2 * keyring.MinLead)
				access, _ := login(t, back, "ada")
				if a := back.Me(t, access); a.Status != 200 || headerOf(t, access)["alg"] != from {
					t.Errorf("got %d %s", a.Status, a.Body)
				}
			})
		}
	}
}

// The seal of a key is bound to its algorithm, also for an instance that holds the key already.
func TestRowOfAnotherAlgorithm(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	if _, err := h.Pool.Exec(t.Context(), "UPDATE signing_keys SET algorithm = 'EdDSA'"); err != nil {
		t.Fatal(err)
	}
	if err := h.Keys.Follow(t.Context()); !errors.Is(err, keyring.ErrSealed) {
		t.Errorf("got %v, want ErrSealed", err)
	}
}

// F-5: the look for an unknown key ends with its request, also while the database doesn't respond.
func TestF5_LookForAnUnknownKey(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	tx, err := h.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }() // it only holds the lock
	if _, err := tx.Exec(t.Context(), "LOCK TABLE signing_keys IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := h.Keys.Find(ended, "nobody's", h.Clock.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
