package cursor_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/auth/cursor"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

type filter struct{ Prefix string }

type position struct{ Email string }

var (
	key   = secret.New("Xq7ZrKd9wvPb2tXq7ZrKd9wvPb2t0123")
	other = secret.New("another-Kd9wvPb2tXq7ZrKd9wvPb2t0")
)

func sealer(t *testing.T, key, previous secret.Text) *cursor.Sealer {
	t.Helper()
	s, err := cursor.New(key, previous)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t *testing.T, s *cursor.Sealer) string {
	t.Helper()
	text, err := s.Seal("users", filter{"a"}, position{"ada@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A cursor opens only for its own list and filter, and nothing in it can be read.
func TestSealedCursor(t *testing.T) {
	t.Parallel()
	s := sealer(t, key, secret.Text{})
	text := seal(t, s)
	if strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("%q needs escapes in a URL", text)
	}
	if text == seal(t, s) {
		t.Error("two cursors of one position are the same: their content could be guessed")
	}
	var got position
	if err := s.Open("users", filter{"a"}, text, &got); err != nil || got != (position{"ada@example.com"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, row := range []struct {
		name, list string
		filter     any
		sealer     *cursor.Sealer
	}{
		{"another list", "events", filter{"a"}, s},
		{"another filter", "users", filter{"b"}, s},
		{"the empty filter", "users", filter{}, s},
		{"another key", "users", filter{"a"}, sealer(t, other, secret.Text{})},
	} {
		if err := row.sealer.Open(row.list, row.filter, text, &got); !errors.Is(err, cursor.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", row.name, err)
		}
	}
}

// Every change of a cursor makes it invalid, also one that the decoder would skip.
func TestForgedCursor(t *testing.T) {
	t.Parallel()
	s := sealer(t, key, secret.Text{})
	text := seal(t, s)
	forged := map[string]string{
		"empty": "", "a line break": text[:10] + "\n" + text[10:], "one at the end": text + "\r\n", "padding": text + "=",
		"twice": text + text, "standard alphabet": text[:4] + "+/" + text[6:], "no prefix": text[4:], "long": text[:4] + strings.Repeat("A", 1<<20),
	}
	for i := range text {
		changed := "A"
		if text[i] == 'A' {
			changed = "B"
		}
		forged["byte "+text[:i]] = text[:i] + changed + text[i+1:]
		forged["cut off after "+text[:i]] = text[:i]
	}
	for name, text := range forged {
		var got position
		if err := s.Open("users", filter{"a"}, text, &got); !errors.Is(err, cursor.ErrInvalid) || got != (position{}) {
			t.Errorf("%s: got %+v, %v, want ErrInvalid", name, got, err)
		}
	}
}

// A cursor outlives one change of the secret key.
func TestCursorAfterKeyChange(t *testing.T) {
	t.Parallel()
	text := seal(t, sealer(t, key, secret.Text{}))
	var got position
	if err := sealer(t, other, key).Open("users", filter{"a"}, text, &got); err != nil {
		t.Error(err)
	}
	if _, err := cursor.New(secret.Text{}, key); err == nil {
		t.Error("a sealer without a key was made")
	}
}
