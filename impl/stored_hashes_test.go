package impl_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// A user with a hash of another system logs in with the password as it was typed there, and has an
// argon2id hash after that. There is one user for each format, and one whose password isn't in NFC.
func TestHashesOfOtherSystemsAreRenewed(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	seen := map[string]bool{}
	for _, file := range []string{"debian.json", "npm.json", "published.json"} {
		data, err := os.ReadFile(filepath.Join("auth", "password", "testdata", "stored", file))
		if err != nil {
			t.Fatal(err)
		}
		var vectors []struct{ Format, Password, Stored string }
		if err := json.Unmarshal(data, &vectors); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, v := range vectors {
			kind := v.Format
			if strings.Contains(v.Password, "e\u0301") {
				kind += ", decomposed"
			}
			if seen[kind] {
				continue
			}
			seen[kind] = true
			user := "u" + uuid.NewString()[:8]
			h.MustRegister(t, user)
			setHash(t, h, user, v.Stored)
			login := func(password string) int {
				return h.Login(t, "username", user+"@example.com", "password", password).Status
			}
			if got := login(v.Password + "x"); got != 401 {
				t.Errorf("%s: a wrong password got %d", kind, got)
			}
			if got := hashOf(t, h, user); got != v.Stored {
				t.Errorf("%s: after a wrong password the stored hash is %s", kind, got)
			}
			if got := login(v.Password); got != 200 {
				t.Errorf("%s: the first login got %d", kind, got)
			}
			if got := hashOf(t, h, user); !strings.HasPrefix(got, "$argon2id$v=19$m=64,t=1,p=1$") || got == v.Stored {
				t.Errorf("%s: after the first login the stored hash is %s", kind, got)
			}
			if got := login(v.Password); got != 200 {
				t.Errorf("%s: the second login got %d", kind, got)
			}
		}
	}
	if len(seen) < 30 {
		t.Errorf("only %d kinds of hashes were tried", len(seen))
	}
}
