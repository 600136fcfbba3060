package password

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
	"github.com/latchkey-auth/latchkey/impl/auth/password/hashqueue"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

var cheap = Params{MemoryKiB: 64, Passes: 1, Lanes: 1}

func newHasher(tb testing.TB, params Params, workers int) *Hasher {
	tb.Helper()
	queue, err := hashqueue.New(workers, max(params.Bytes(), 1), time.Minute)
	if err != nil {
		tb.Fatal(err)
	}
	h, err := NewHasher(params, queue)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func hash(tb testing.TB, h *Hasher, password string) string {
	tb.Helper()
	s, err := h.Hash(tb.Context(), "", secret.New(password))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// bcrypted returns the bcrypt hash of the part of a password that bcrypt reads.
func bcrypted(tb testing.TB, password string) string {
	tb.Helper()
	b, err := bcrypt.GenerateFromPassword([]byte(password[:min(len(password), 72)]), bcrypt.MinCost)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// A hash of another implementation: the vector of argon2's reference, written in the PHC format.
func TestVerifyForeignHash(t *testing.T) {
	t.Parallel()
	// argon2id, "password", "somesalt", t=2, m=65536, p=1, from the reference implementation's
	// test.c.
	const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	h := newHasher(t, cheap, 1)
	got, err := h.Verify(t.Context(), "", stored, secret.New("password"))
	if want := (Verdict{Match: true, Outdated: true}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = h.Verify(t.Context(), "", stored, secret.New("passwore"))
	if want := (Verdict{Outdated: true}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestL7_PasswordVerifiedExactly(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap, 2)
	long := strings.Repeat("a", 72)
	const current, outdated = false, true
	for name, row := range map[string]struct {
		stored, tried   string
		match, outdated bool
	}{
		"same":                        {hash(t, h, "secret horse"), "secret horse", true, current},
		"other case":                  {hash(t, h, "secret horse"), "Secret horse", false, current},
		"trailing space":              {hash(t, h, "secret horse"), "secret horse ", false, current},
		"byte 73":                     {hash(t, h, long+"X"), long + "Y", false, current},
		"byte 73 missing":             {hash(t, h, long+"X"), long, false, current},
		"byte 1,024":                  {hash(t, h, strings.Repeat("a", 1023)+"X"), strings.Repeat("a", 1023) + "Y", false, current},
		"1,025 bytes":                 {hash(t, h, strings.Repeat("a", 1024)), strings.Repeat("a", 1025), false, current},
		"1 MiB":                       {hash(t, h, strings.Repeat("a", 1024)), strings.Repeat("a", 1<<20), false, current},
		"composed and decomposed":     {hash(t, h, "caf\u00e9 noir"), "cafe\u0301 noir", true, current},
		"full width":                  {hash(t, h, "secret horse"), "ｓecret horse", false, current},
		"NUL":                         {hash(t, h, "secret"), "secret\x00horse", false, current},
		"invalid UTF-8":               {hash(t, h, "secret\ufffd"), "secret\xff", false, current},
		"empty":                       {hash(t, h, "secret"), "", false, current},
		"bcrypt":                      {bcrypted(t, "secret horse"), "secret horse", true, outdated},
		"bcrypt, wrong":               {bcrypted(t, "secret horse"), "secret house", false, outdated},
		"bcrypt $2y$":                 {"$2y$" + bcrypted(t, "secret horse")[4:], "secret horse", true, outdated},
		"bcrypt of 72 bytes":          {bcrypted(t, long), long, true, outdated},
		"bcrypt of 72 bytes and more": {bcrypted(t, long), long + "X", false, outdated},
		"other passes":                {hash(t, newHasher(t, Params{64, 2, 1}, 1), "secret horse"), "secret horse", true, outdated},
		"other memory":                {hash(t, newHasher(t, Params{32, 1, 1}, 1), "secret horse"), "secret house", false, outdated},
		"other lanes":                 {hash(t, newHasher(t, Params{64, 1, 2}, 1), "secret horse"), "secret horse", true, outdated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := h.Verify(t.Context(), "", row.stored, secret.New(row.tried))
			if want := (Verdict{row.match, row.outdated}); err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

// A stored hash that can't be read, or that exceeds the bounds, is the server's fault and not a
// wrong password.
func TestStoredHashesAreBounded(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap, 1)
	good := hash(t, h, "secret horse")
	tail := good[strings.Index(good, "p=1")+3:]
	for _, stored := range []string{
		"", "secret", good[1:], good + "=", good + "$", good + "\n", strings.Replace(good, "argon2id", "argon2d", 1),
		strings.Replace(good, "v=19", "v=16", 1), strings.Replace(good, "t=1", "t=01", 1), strings.Replace(good, "t=1", "t=+1", 1),
		"$argon2id$v=19$m=1048577,t=1,p=1" + tail, "$argon2id$v=19$m=4294967295,t=1,p=1" + tail, "$argon2id$v=19$m=64,t=65,p=1" + tail,
		"$argon2id$v=19$m=64,t=0,p=1" + tail, "$argon2id$v=19$m=64,t=1,p=0" + tail, "$argon2id$v=19$m=64,t=1,p=17" + tail,
		"$argon2id$v=19$m=64,t=1,p=257" + tail, "$argon2id$v=19$t=1,m=64,p=1" + tail, "$argon2id$v=19$m=7,t=1,p=1" + tail,
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdA$" + strings.Repeat("A", 43), "$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("A", 200) + "$" + strings.Repeat("A", 43),
		"$2b$15$" + strings.Repeat("a", 53), "$2b$31$" + strings.Repeat("a", 53), "$2b$10$short", "$2b$",
	} {
		if got, err := h.Verify(
			t.Context(),
			"",
			stored,
			secret.New("secret horse"),
		); !errors.Is(err, ErrStoredHash) ||
			got.Match {
			t.Errorf("%q: got %+v, %v", stored, got, err)
		}
	}
}

func TestParamsBounds(t *testing.T) {
	t.Parallel()
	for _, p := range []Params{{}, {7, 1, 1}, {64, 0, 1}, {64, 1, 0}, {64, 65, 1}, {64, 1, 17}, {1<<20 + 1, 1, 1}, {15, 1, 2}} {
		if _, err := NewHasher(p, newHasher(t, cheap, 1).queue); err == nil {
			t.Errorf("%+v was taken", p)
		}
	}
	if _, err := NewHasher(cheap, nil); err == nil {
		t.Error("no queue was taken")
	}
	if err := DefaultParams.Validate(); err != nil {
		t.Error(err)
	}
}

// L-6: an unknown user costs what a known one does: the same function runs with the same
// parameters.
func TestL6_UnknownUsersCostAHash(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap, 1)
	if h.dummy.params != h.params || len(h.dummy.key) != keyBytes {
		t.Errorf("the dummy is %v", h.dummy)
	}
	// The rest of the time that a cheaper hash leaves is spent as well: both together are the work
	// of the present parameters.
	for spent, want := range map[uint64]Params{
		0: {64, 1, 1}, 16: {48, 1, 1}, 63: {1, 1, 1}, 64: {0, 1, 1}, 1 << 40: {0, 1, 1},
	} {
		if got := h.rest(spent); got != want {
			t.Errorf("after %d: got %+v, want %+v", spent, got, want)
		}
	}
	if err := h.VerifyUnknown(t.Context(), "", secret.New("secret horse")); err != nil {
		t.Error(err)
	}
	// A password that is tried in two spellings costs two hashes.
	for password, want := range map[string]int{"caf\u00e9 noir": 1, "cafe\u0301 noir": 2, "cafe\u0301\x00": 1} {
		c := counted{storedHash: h.dummy, count: new(int)}
		if match, err := h.compare(t.Context(), "", c, secret.New(password)); match || err != nil || *c.count != want {
			t.Errorf("%q: %d comparisons, %t, %v; want %d", password, *c.count, match, err, want)
		}
	}
}

// L-6: the rest of the time that a cheaper hash leaves is spent after each comparison that doesn't
// match.
func TestL6_CheaperHashesCostAsMuch(t *testing.T) {
	t.Parallel()
	for spent, want := range map[uint64]uint64{16: 48 << 10, 64: 0, 1 << 40: 0} {
		h := newHasher(t, cheap, 1)
		w := watched{spent: spent, memory: new([]uint64)}
		// The second spelling finds the memory that the work after the first one used.
		match, err := h.compare(t.Context(), "", w, secret.New("cafe\u0301 noir"))
		if got := *w.memory; match || err != nil || !slices.Equal(got, []uint64{0, want}) {
			t.Errorf("after %d: %d bytes, %t, %v; want 0 and then %d", spent, got, match, err, want)
		}
	}
}

// watched is a hash that no password fits. It records how much memory each comparison finds.
type watched struct {
	spent  uint64
	memory *[]uint64
}

func (w watched) bytes() uint64 { return 0 }
func (w watched) work() uint64  { return w.spent }

func (w watched) matches(m *argon2id.Memory, _ string) bool {
	*w.memory = append(*w.memory, m.Bytes())
	return false
}

// counted counts the comparisons with a hash.
type counted struct {
	storedHash
	count *int
}

func (c counted) matches(m *argon2id.Memory, password string) bool {
	*c.count++
	return c.storedHash.matches(m, password)
}

func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=019456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAB")
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAA\nAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$2b$10$")
	f.Add("x$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			return
		}
		if got := h.String(); got != s {
			t.Errorf("%q was written as %q", s, got)
		}
		if err := h.params.Validate(); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	})
}

func BenchmarkPasswordHash(b *testing.B) {
	h := newHasher(b, DefaultParams, 1)
	b.ReportAllocs()
	for b.Loop() {
		hash(b, h, "correct horse battery staple")
	}
}

// BenchmarkArgon2id is the bare function, to compare [BenchmarkPasswordHash] with.
func BenchmarkArgon2id(b *testing.B) {
	p, salt := DefaultParams, make([]byte, saltBytes)
	b.ReportAllocs()
	for b.Loop() {
		argon2.IDKey([]byte("correct horse battery staple"), salt, p.Passes, p.MemoryKiB, p.Lanes, keyBytes)
	}
}
