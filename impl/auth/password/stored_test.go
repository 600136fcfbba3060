package password

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/latchkey-auth/latchkey/impl/auth/password/argon2id"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// vector is a hash that another system's library has made.
type vector struct{ Library, Format, Password, Stored string }

// vectors returns all vectors in testdata/stored.
func vectors(tb testing.TB) []vector {
	tb.Helper()
	var all []vector
	for _, name := range []string{"debian.json", "npm.json", "published.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", "stored", name))
		if err != nil {
			tb.Fatal(err)
		}
		var some []vector
		if err := json.Unmarshal(data, &some); err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		all = append(all, some...)
	}
	return all
}

// The hashes that other systems' own libraries have made are recognised, and fit their passwords.
func TestHashesOfOtherSystems(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap, 2)
	seen := map[string]bool{}
	for _, v := range vectors(t) {
		seen[v.Format] = true
		if name, err := h.Recognise(v.Stored); name != v.Format || err != nil {
			t.Errorf("%s: %q is recognised as %q, %v; want %q", v.Library, v.Stored, name, err, v.Format)
		}
		if !IsUsable(v.Stored) {
			t.Errorf("%q isn't usable", v.Stored)
		}
		t.Run(v.Format, func(t *testing.T) {
			t.Parallel()
			got, err := h.Verify(t.Context(), "", v.Stored, secret.New(v.Password))
			if want := (Verdict{Match: true, Outdated: true}); err != nil || got != want {
				t.Errorf("%s: %q of %q: %+v, %v", v.Library, v.Password, v.Stored, got, err)
			}
		})
	}
	for _, f := range formats {
		if !seen[f.name] {
			t.Errorf("%s has no vector", f.name)
		}
	}
}

// F-10: a comparison takes no more memory than the queue counts for it. scrypt and argon2 use the
// worker's memory. The password is wrong for every hash.
func TestF10_StoredHashesTakeTheBytesThatAreCounted(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range vectors(t) {
		if seen[v.Format] {
			continue
		}
		seen[v.Format] = true
		hash, err := read(v.Stored)
		if err != nil {
			t.Fatal(err)
		}
		var m argon2id.Memory
		defer m.Free()
		if wrong := v.Password + "x"; hash.matches(&m, wrong) {
			t.Errorf("%s: %q fits %q", v.Library, wrong, v.Stored)
		}
		// bcrypt and PBKDF2 take a few KiB of the heap, and scrypt a hundredth of its bytes.
		if needed := hash.bytes(); m.Bytes() > needed || needed > 64<<10 && m.Bytes() < needed/10*9 {
			t.Errorf("%s: %d bytes are taken, %d counted", v.Format, m.Bytes(), hash.bytes())
		}
	}
}

// A password is tried as typed and in NFC. Only better-auth has hashed it in NFKC.
func TestSpellingsOfAPassword(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string][]string{
		"correct horse":  {"correct horse"},
		"caf\u00e9":      {"caf\u00e9"},
		"cafe\u0301":     {"caf\u00e9", "cafe\u0301"},
		"\uff43orrect":   {"\uff43orrect"},
		"cafe\u0301\x00": {"cafe\u0301\x00"}, // no password
	} {
		if got, _ := spellings(secret.New(typed)); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
	h := newHasher(t, cheap, 1)
	for _, v := range vectors(t) {
		tried := norm.NFKC.String(v.Password)
		if v.Format != "scrypt of better-auth" || norm.NFC.String(v.Password) == tried {
			continue
		}
		got, err := h.Verify(t.Context(), "", v.Stored, secret.New(tried))
		if err != nil || !got.Match {
			t.Errorf("%q for %q: %+v, %v", tried, v.Password, got, err)
		}
		return
	}
	t.Error("no vector of better-auth has a password that NFKC changes")
}

// L-7: no byte of a password is ignored, although bcrypt reads 72 bytes and the column of the salt
// is appended.
func TestL7_SaltedBcryptReadsAllOfAPassword(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap, 1)
	salt := "$2b$12$abcdefghijklmnopqrstuu"
	for name, row := range map[string]struct {
		hashed, tried string
		match         bool
	}{
		"same":                  {"secret horse", "secret horse", true},
		"shorter":               {"secret horse", "secret hors", false},
		"with the salt":         {"secret horse", "secret horse" + salt, false},
		"72 bytes":              {strings.Repeat("a", 72), strings.Repeat("a", 72), true},
		"byte 72":               {strings.Repeat("a", 71) + "X", strings.Repeat("a", 71) + "Y", false},
		"byte 73":               {strings.Repeat("a", 72), strings.Repeat("a", 73), false},
		"part of the salt fits": {strings.Repeat("a", 60), strings.Repeat("a", 60), true},
		// bcrypt reads the same bytes here. Only somebody who knows the password and the salt can
		// do this.
		"as much of the salt as bcrypt reads": {strings.Repeat("a", 60), strings.Repeat("a", 60) + salt[:12], true},
	} {
		stored := Salted(salt, bcrypted(t, row.hashed+salt))
		got, err := h.Verify(t.Context(), "", stored, secret.New(row.tried))
		if err != nil || got.Match != row.match {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if name, err := h.Recognise(Salted(salt, "$2b$12$short")); err == nil {
		t.Errorf("recognised as %q", name)
	}
}

// Each format has one spelling, and its parameters are checked before they are used.
func TestStoredHashesOfOtherSystemsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHasher(t, cheap, 1)
	const (
		salt16 = "AAAAAAAAAAAAAAAAAAAAAA"
		key32  = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		bc53   = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	)
	hex64 := strings.Repeat("0", 128)
	for want, all := range map[error][]string{
		errTooMuch: {
			"$argon2id$v=19$m=262145,t=1,p=1$" + salt16 + "$" + key32,
			"$argon2id$v=19$m=65536,t=33,p=1$" + salt16 + "$" + key32,
			"$argon2i$v=19$m=4294967295,t=1,p=1$" + salt16 + "$" + key32,
			"argon2$argon2id$v=19$m=65536,t=2,p=200$" + salt16 + "$" + key32,
			"$2b$15$" + bc53, "$2b$31$" + bc53, "bcrypt_sha256$$2b$31$" + bc53, Salted("salt", "$2b$31$"+bc53),
			"$bcrypt-sha256$v=2,t=2b,r=31$" + bc53[:22] + "$" + bc53[22:],
			"$bcrypt$v=98$r=31$" + salt16 + "$" + key32[:31],
			"$pbkdf2-sha256$i=4294967295$" + salt16 + "$" + key32, "$pbkdf2-sha512$100000000$" + salt16 + "$" + key32,
			"pbkdf2_sha256$100000000$salt$" + key32 + "=", "pbkdf2:sha1:4294967295$salt$" + hex64,
			"$scrypt$ln=19,r=8,p=1$" + salt16 + "$" + key32, "$scrypt$ln=31,r=8,p=1$" + salt16 + "$" + key32,
			"$scrypt$ln=4294967295,r=8,p=1$" + salt16 + "$" + key32, "$scrypt$ln=1,r=4294967295,p=4294967295$" + salt16 + "$" + key32,
			"$scrypt$ln=1,r=65,p=1$" + salt16 + "$" + key32, "$scrypt$ln=14,r=8,p=64$" + salt16 + "$" + key32, "$scrypt$ln=1,r=1,p=65$" + salt16 + "$" + key32,
			"scrypt$1073741824$salt$8$1$" + key32 + "=", "scrypt:1073741824:8:1$salt$" + hex64,
			"$fbscrypt$v=1,n=31,r=8,p=1,ss=Bw==,sk=" + key32 + "=$Bw==$" + key32 + "=",
		},
		errSpelling: {
			"$argon2id$m=64,t=1,p=1$" + salt16 + "$" + key32, "$argon2id$v=19$m=64,t=1,p=1,data=AA$" + salt16 + "$" + key32,
			"$2b$4$" + bc53, "$2b$+4$" + bc53, "$2b$04$" + bc53[1:] + "!", "$2b$04$" + bc53 + "a", "$2b$03$" + bc53,
			"bcrypt$$2x$04$" + bc53, "bcrypt_sha256$2b$04$" + bc53, Salted("", "$2b$04$"+bc53), saltedPrefix + "c2FsdA==$$2b$04$" + bc53,
			"$bcrypt-sha256$v=3,t=2b,r=4$" + bc53[:22] + "$" + bc53[22:], "$bcrypt-sha256$v=2,t=2b,r=04$" + bc53[:22] + "$" + bc53[22:],
			"$bcrypt$v=97$r=4$" + salt16 + "$" + key32[:31], "$bcrypt$v=98$r=4$" + salt16 + "$" + key32,
			"$pbkdf2-sha256$i=0$" + salt16 + "$" + key32,
			"$pbkdf2-sha256$i=1000,l=31$" + salt16 + "$" + key32, "$pbkdf2-sha256$1e3$" + salt16 + "$" + key32,
			"$pbkdf2-sha256$1000$$" + key32, "$pbkdf2-sha256$1000$" + salt16 + "$", "$pbkdf2-sha256$1000$" + salt16 + "$AAAA",
			"pbkdf2_sha256$1000$salt$" + key32, "pbkdf2_sha256$1000$$" + key32 + "=", "pbkdf2_sha256$1000$" + strings.Repeat("a", 257) + "$" + key32 + "=",
			"pbkdf2:sha256$salt$" + hex64, "pbkdf2:sha256:1000$salt$" + strings.Repeat("A", 128), "pbkdf2:md5:1000$salt$" + hex64,
			"$scrypt$ln=0,r=8,p=1$" + salt16 + "$" + key32, "$scrypt$ln=4,r=0,p=1$" + salt16 + "$" + key32, "$scrypt$r=8,ln=4,p=1$" + salt16 + "$" + key32,
			"scrypt$1000$salt$8$1$" + key32 + "=", "scrypt:1000:8:1$salt$" + hex64, "scrypt:0:8:1$salt$" + hex64,
			"$fbscrypt$v=2,n=4,r=8,p=1,ss=Bw==,sk=" + key32 + "=$Bw==$" + key32 + "=", "$fbscrypt$v=1,n=4,r=8,p=1,ss=Bw==$Bw==$" + key32 + "=",
			"$fbscrypt$v=1,n=4,r=8,p=1,ss=Bw==,sk=" + key32 + "=$Bw==$" + salt16 + "==",
			hex64[:32] + ":" + hex64[:64], hex64[:32] + ":" + strings.Repeat("A", 128),
		},
		errFormat: {
			"", "secret", "!", "$", ":", "$1$salt$hash", "sha1$salt$" + hex64[:40], "md5$salt$" + hex64[:32], "$argon2d$v=19$m=64,t=1,p=1$" + salt16 + "$" + key32,
			"$2x$04$" + bc53, "$6$salt$hash", "$pbkdf2-md5$i=1000$" + salt16 + "$" + key32, hex64[:30] + ":" + hex64, "0x" + hex64[:30] + ":" + hex64, strings.Repeat("$2b$04$", 1000),
			"pbkdf2_sha256$1000$s\x00lt$" + key32 + "=", "pbkdf2_sha256$1000$sält$" + key32 + "=",
		},
	} {
		for _, stored := range all {
			name, err := h.Recognise(stored)
			if !errors.Is(err, want) || !errors.Is(err, ErrStoredHash) || name != "" {
				t.Errorf("%q: got %q, %v; want %v", stored, name, err, want)
			}
			if err != nil && len(stored) > 8 && strings.Contains(err.Error(), stored) {
				t.Errorf("the reason repeats %q", stored)
			}
		}
	}
}

// A hash that exceeds the bounds isn't recognised, and neither is one with something after it. A
// server whose own hashes are more expensive than foreign ones may be recognises its own.
func TestOwnHashesAreRecognised(t *testing.T) {
	t.Parallel()
	dear := Params{MemoryKiB: 512 << 10, Passes: 1, Lanes: 1}
	h := newHasher(t, dear, 1)
	stored := func(p Params) string {
		return phc{params: p, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}.String()
	}
	if name, err := h.Recognise(stored(dear)); name != ownFormat || err != nil {
		t.Errorf("got %q, %v", name, err)
	}
	dear.Passes = 5
	if name, err := h.Recognise(stored(dear)); !errors.Is(err, errTooMuch) {
		t.Errorf("a dearer one: got %q, %v", name, err)
	}
}

func FuzzRecognise(f *testing.F) {
	h := newHasher(f, cheap, 1)
	for _, v := range vectors(f) {
		f.Add(v.Stored)
	}
	f.Add(Salted("salt", "$2b$04$"+strings.Repeat("a", 53)))
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=4294967295$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, stored string) {
		name, err := h.Recognise(stored)
		if err != nil {
			if name != "" || !errors.Is(err, ErrStoredHash) {
				t.Errorf("%q: %q, %v", stored, name, err)
			}
			return
		}
		hash, err := read(stored)
		if err != nil {
			t.Fatalf("%q is recognised and can't be read: %v", stored, err)
		}
		if hash.bytes() > maxForeignBytes || hash.work() > maxForeignWork {
			t.Errorf("%q takes %d bytes and the work %d", stored, hash.bytes(), hash.work())
		}
		for _, behind := range []string{"\n", " ", "=", "$", "\x00"} {
			if _, err := h.Recognise(stored + behind); err == nil {
				t.Errorf("%q is recognised with %q behind it", stored, behind)
			}
		}
	})
}
