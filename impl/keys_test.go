package impl_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/auth/token"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

func kidOf(t *testing.T, token string) string {
	t.Helper()
	kid, _ := headerOf(t, token)["kid"].(string)
	return kid
}

func publishedKeys(t *testing.T, h *impltest.Harness) (keys []map[string]any) {
	t.Helper()
	a := h.Do(t, h.Request("GET", impltest.KeysPath, ""))
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(
		a.Body,
		&set,
	); err != nil || a.Status != 200 ||
		a.Header.Get("Cache-Control") != "public, max-age=300" {
		t.Fatalf("got %d %v %s, %v", a.Status, a.Header, a.Body, err)
	}
	return set.Keys
}

func publishedIDs(t *testing.T, h *impltest.Harness) (ids []string) {
	t.Helper()
	for _, key := range publishedKeys(t, h) {
		ids = append(ids, key["kid"].(string))
	}
	return ids
}

// the published keys are the public parts of the keys that sign, and nothing else.
func TestR6_PublishedKeys(t *testing.T) {
	t.Parallel()
	members := map[string][]string{
		"ES256": {"alg", "crv", "kid", "kty", "use", "x", "y"},
		"EdDSA": {"alg", "crv", "kid", "kty", "use", "x"},
		"RS256": {"alg", "e", "kid", "kty", "n", "use"},
	}
	for _, algorithm := range keyring.Algorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t, impltest.Options{Algorithm: algorithm})
			token := h.MustRegister(t, "ada")
			keys := publishedKeys(t, h)
			if algorithm == "HS256" {
				if len(keys) != 0 {
					t.Errorf("got %v", keys)
				}
				return
			}
			if len(keys) != 1 {
				t.Fatalf("got %v", keys)
			}
			key := keys[0]
			var names []string
			for name := range key {
				names = append(names, name)
			}
			slices.Sort(names)
			if !slices.Equal(names, members[algorithm]) || key["alg"] != algorithm || key["use"] != "sig" ||
				key["kid"] != kidOf(t, token) {
				t.Errorf("got %v", key)
			}
			if algorithm == "RS256" {
				if n, err := base64.RawURLEncoding.DecodeString(
					key["n"].(string),
				); err != nil ||
					new(big.Int).SetBytes(n).BitLen() != 3072 {
					t.Errorf("a modulus of %d bytes, %v", len(n), err)
				}
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	get := func(h *impltest.Harness, headers ...string) map[string]any {
		t.Helper()
		a := h.Do(t, h.Request("GET", impltest.MetadataPath, "", headers...))
		var got map[string]any
		if err := json.Unmarshal(
			a.Body,
			&got,
		); err != nil || a.Status != 200 ||
			a.Header.Get("Cache-Control") != "public, max-age=300" {
			t.Fatalf("got %d %v %s, %v", a.Status, a.Header, a.Body, err)
		}
		return got
	}
	want := func(got map[string]any, issuer, base string) {
		t.Helper()
		for name, want := range map[string]string{
			"issuer": issuer, "token_endpoint": base + impltest.LoginPath, "revocation_endpoint": base + impltest.RevokePath,
			"jwks_uri": base + impltest.KeysPath, "service_documentation": base + "/docs",
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %s", name, got[name], want)
			}
		}
		// The metadata doesn't offer the password grant to third parties.
		if text := fmt.Sprint(
			got["grant_types_supported"],
		); text != "[refresh_token]" ||
			strings.Contains(fmt.Sprint(got), "[password") {
			t.Errorf("got %v", got)
		}
	}
	h := impltest.New(t, impltest.Options{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	want(get(h), "latchkey", h.URL)
	want(get(h, "X-Forwarded-Proto", "https"), "latchkey", "https://"+h.Addr)
	untrusting := impltest.New(t)
	want(
		get(untrusting, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example"),
		"latchkey",
		untrusting.URL,
	)
	named := impltest.New(t, impltest.Options{Tokens: token.Options{Issuer: "https://auth.example.com/"}})
	want(get(named, "X-Forwarded-Host", "evil.example"), "https://auth.example.com/", "https://auth.example.com")
	if got := get(impltest.New(t, impltest.Options{Algorithm: "HS256"})); got["jwks_uri"] != nil {
		t.Errorf("with HS256: got %v", got)
	}
}

func rotate(t *testing.T, h *impltest.Harness, age time.Duration) bool {
	t.Helper()
	rotated, err := h.Keys.Rotate(t.Context(), age)
	if err != nil {
		t.Fatal(err)
	}
	return rotated
}

func follow(t *testing.T, instances ...*impltest.Harness) {
	t.Helper()
	for _, h := range instances {
		if err := h.Keys.Follow(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// R-6, F-22: a new key is published for longer than caches may keep the keys before it signs. An
// old key verifies until the last token under it has expired, on every instance.
func TestR6_Rotation(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t, impltest.Options{Algorithm: algorithm})
			beside := h.Beside(t)
			h.MustRegister(t, "ada")
			first, token := login(t, beside, "ada")
			old := kidOf(t, first)
			rotate(t, h, 0)
			follow(t, beside)
			if got := publishedIDs(t, beside); len(got) != 2 || got[0] != old {
				t.Fatalf("published are %v", got)
			}
			next := publishedIDs(t, beside)[1]

			h.Clock.Advance(keyring.MinLead - time.Second)
			last, token := wantRefreshed(t, refresh(t, beside, token))
			if kidOf(t, last) != old {
				t.Error("the new key signs before everybody knows it")
			}
			h.Clock.Advance(time.Second)
			follow(t, h, beside)
			now, _ := wantRefreshed(t, refresh(t, h, token))
			if kidOf(t, now) != next {
				t.Error("the new key doesn't sign")
			}
			for _, token := range []string{first, last, now} {
				for _, instance := range []*impltest.Harness{h, beside} {
					if a := instance.Me(t, token); a.Status != 200 {
						t.Errorf("got %d %s", a.Status, a.Body)
					}
				}
			}
			h.Clock.Advance(15*time.Minute + 29*time.Second - time.Second)
			if a := beside.Me(t, last); a.Status != 200 {
				t.Errorf("the last token under the old key, before it expires: got %d %s", a.Status, a.Body)
			}
			h.Clock.Advance(time.Minute)
			for range 2 { // before the instances have read the keys again, and after
				wantRefusal(t, h.Me(t, last), badToken)
				if got := publishedIDs(t, h); !slices.Equal(got, []string{next}) {
					t.Errorf("published are %v, want the new one", got)
				}
				follow(t, h, beside)
			}
			h.Clock.Advance(6 * 24 * time.Hour)
			if got := sweptKeys(t, h); len(got) != 2 || got[0].State != keyring.Ended {
				t.Errorf("6 days after the end of the old key: got %+v, want both", got)
			}
			h.Clock.Advance(2 * 24 * time.Hour)
			if got := sweptKeys(t, h); len(got) != 1 || got[0].ID != next || got[0].State != keyring.Signs {
				t.Errorf("8 days after: got %+v, want the new one", got)
			}
		})
	}
}

// sweptKeys sweeps the keys, and returns the remaining ones.
func sweptKeys(t *testing.T, h *impltest.Harness) []keyring.Key {
	t.Helper()
	if err := h.Keys.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.List(t.Context(), h.Pool, h.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Two instances that both find the key too old make one new key, not two.
func TestR6_RotationByAge(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	beside := h.Beside(t)
	if rotate(t, h, time.Hour) {
		t.Error("a new key was replaced")
	}
	h.Clock.Advance(time.Hour)
	if !rotate(t, h, time.Hour) || rotate(t, beside, time.Hour) || rotate(t, h, time.Hour) {
		t.Error("not rotated once")
	}
	if got := publishedIDs(t, beside); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

// The ring looks for a key that another instance has just made. It looks for unknown keys, which
// anybody can name, at most once a second.
func TestR6_UnknownKeys(t *testing.T) {
	t.Parallel()
	var asked counting
	h := impltest.New(t)
	pool := tracedPool(t, h, &asked)
	beside := h.On(t, pool)
	access := h.MustRegister(t, "ada")
	claims := decodePart(t, access, 1)
	bogus := func(i int) string {
		key := h.SigningKey(t)
		return sign(t, key.Method, map[string]any{"typ": "at+jwt", "kid": fmt.Sprintf("bogus-%d", i)}, claims, key.Key)
	}
	before := asked.of("SigningKeyList")
	for i := range 1000 {
		wantRefusal(t, beside.Me(t, bogus(i)), badToken)
	}
	if got := asked.of("SigningKeyList") - before; got != 1 {
		t.Errorf("1000 bogus keys made %d statements", got)
	}
	// An instance that hasn't heard of a retirement finds the key that signs since.
	if err := h.Keys.Retire(t.Context(), kidOf(t, access)); err != nil {
		t.Fatal(err)
	}
	next, _ := login(t, h, "ada")
	h.Clock.Advance(time.Second)
	if a := beside.Me(t, next); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	// Without its database an instance can't know, and a 401 would log users out.
	pool.Close()
	h.Clock.Advance(time.Second)
	if a := beside.Me(t, bogus(1)); a.Status != 503 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// tracedPool opens another pool to the harness's database, whose statements the tracer sees.
func tracedPool(t *testing.T, h *impltest.Harness, tracer pgx.QueryTracer) *pgxpool.Pool {
	t.Helper()
	config := h.Pool.Config()
	config.ConnConfig.Tracer = tracer
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// counting counts statements by the name that sqlc gives them.
type counting struct {
	mu    sync.Mutex
	names map[string]int
}

func (c *counting) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	name, _, _ := strings.Cut(strings.TrimPrefix(data.SQL, "-- name: "), " ")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names == nil {
		c.names = map[string]int{}
	}
	c.names[name]++
	return ctx
}

func (*counting) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *counting) all() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, times := range c.names {
		n += times
	}
	return n
}

func (c *counting) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.names[name]
}
