package impl_test

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// dumpOf returns all rows of all tables of all schemas as JSON.
func dumpOf(t *testing.T, h *impltest.Harness) string {
	t.Helper()
	rows, err := h.Pool.Query(t.Context(), `
		SELECT c.relname::text, query_to_xml(format('SELECT row_to_json(t)::text AS row FROM %s t', c.oid::regclass), true, true, '')::text
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			t.Fatal(err)
		}
		b.WriteString(name + " " + text + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), "&quot;", `"`)
}

// wantNoSecret fails the test for each secret that a place contains, as it is or in another form.
func wantNoSecret(t *testing.T, secrets, places map[string]string) {
	t.Helper()
	for what, secret := range secrets {
		if secret == "" {
			t.Errorf("the %s is empty", what)
		}
		for where, text := range places {
			if form := hasSecret(text, secret); form != "" {
				t.Errorf("%s has the %s, %s", where, what, form)
			}
		}
	}
}

// digits matches a code. Eight digits also occur within ids and hashes by chance, so a code counts
// only if no letter or digit is beside it.
var digits = regexp.MustCompile(`^[0-9]+$`)

// hasSecret returns the form in which a text contains a secret, or "".
func hasSecret(text, secret string) string {
	if digits.MatchString(secret) {
		if regexp.MustCompile(`\b` + secret + `\b`).MatchString(text) {
			return "plain"
		}
	} else if strings.Contains(text, secret) || strings.Contains(text, secret[4:]) { // without a prefix such as lkl_
		return "plain"
	}
	raw := [][]byte{[]byte(secret)}
	if decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimLeft(secret[4:], "_")); err == nil && len(decoded) > 16 {
		raw = append(raw, decoded, decoded[16:]) // with and without the id
	}
	for _, bytes := range raw {
		for _, form := range [][2]string{{"hex", hex.EncodeToString(bytes)}, {"upper-case hex", strings.ToUpper(hex.EncodeToString(bytes))}} {
			if strings.Contains(text, form[1]) {
				return form[0]
			}
		}
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for shift := range 3 { // as the text stands alone, or within a longer one
				encoded := encoding.EncodeToString(append(make([]byte, shift), bytes...))
				inner := encoded[(shift*8+5)/6 : (shift+len(bytes))*8/6]
				if strings.Contains(text, inner) {
					return "base64"
				}
			}
		}
	}
	return ""
}

// The search finds a secret in each of its forms.
func TestHasSecret(t *testing.T) {
	t.Parallel()
	const code, password = "90210347", "correct horse battery staple"
	link := "lkl_" + base64.RawURLEncoding.EncodeToString([]byte("\xfb\xff0123456789abcdefghijklmnopqrstuvwxyz\xfe\xff0123456789"))
	decoded, err := base64.RawURLEncoding.DecodeString(link[4:])
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`{"code":"90210347"}`, "x 90210347", hex.EncodeToString([]byte(code)), base64.StdEncoding.EncodeToString([]byte(code)),
		base64.StdEncoding.EncodeToString([]byte(`{"code":"90210347"}`)), base64.URLEncoding.EncodeToString([]byte("a" + code + "bc")),
	} {
		if hasSecret(text, code) == "" {
			t.Errorf("no code is found in %s", text)
		}
	}
	for _, text := range []string{"", "x90210347", "190210347", "9021034", "9021 0347"} {
		if form := hasSecret(text, code); form != "" {
			t.Errorf("a code is found in %q, %s", text, form)
		}
	}
	for _, text := range []string{
		link, link[4:], "a" + link + "b", hex.EncodeToString(decoded), `\x` + hex.EncodeToString(decoded[16:]), strings.ToUpper(hex.EncodeToString([]byte(link))),
		base64.StdEncoding.EncodeToString(decoded), base64.StdEncoding.EncodeToString([]byte("token=" + link + "&")),
	} {
		if hasSecret(text, link) == "" {
			t.Errorf("no link is found in %s", text)
		}
	}
	for _, text := range []string{password, `"` + password + `"`, hex.EncodeToString([]byte(password)), base64.StdEncoding.EncodeToString([]byte("p=" + password))} {
		if hasSecret(text, password) == "" {
			t.Errorf("no password is found in %s", text)
		}
	}
}

// awaitFiles waits until a folder has a mail of each kind.
func awaitFiles(t *testing.T, dir string, kinds ...string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		entries, err := os.ReadDir(dir)
		isMissing := func(kind string) bool {
			return !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return strings.Contains(e.Name(), "-"+kind+"-") })
		}
		if err == nil && !slices.ContainsFunc(kinds, isMissing) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no mail of each of %v in time: %v, %v", kinds, entries, err)
		}
		<-time.After(10 * time.Millisecond) // a poll
	}
}
