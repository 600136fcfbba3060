package impl_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

const mediaMergePatch = "application/merge-patch+json"

func patchMe(t *testing.T, h *impltest.Harness, token, body string, headers ...string) impltest.Answer {
	t.Helper()
	headers = append(headers, "Content-Type", mediaMergePatch, "Authorization", "Bearer "+token)
	return h.Do(t, h.Request("PATCH", impltest.MePath, body, headers...))
}

func sendJSON(t *testing.T, h *impltest.Harness, token, method, path, body string) impltest.Answer {
	t.Helper()
	return h.Do(t, h.Request(method, path, body, "Content-Type", mediaJSON, "Authorization", "Bearer "+token))
}

func changePassword(t *testing.T, h *impltest.Harness, token, current, chosen string) impltest.Answer {
	t.Helper()
	body := fmt.Sprintf(`{"current_password":%q,"new_password":%q}`, current, chosen)
	return sendJSON(t, h, token, "PUT", impltest.PasswordPath, body)
}

func reauthenticate(t *testing.T, h *impltest.Harness, token, pass string) impltest.Answer {
	t.Helper()
	body := fmt.Sprintf(`{"factor":"password","password":%q}`, pass)
	return sendJSON(t, h, token, "POST", impltest.ReauthenticationPath, body)
}

// RFC 7396, on the profile of a user.
func TestMergePatchOfAUser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	for _, step := range []struct{ patch, name, locale, metadata, username string }{
		{`{}`, "", "", `{}`, "ada"},
		{`{"display_name":"Ada 👩‍💻","locale":"en-GB"}`, "Ada 👩‍💻", "en-GB", `{}`, "ada"},
		{`{"user_metadata":{"a":{"b":1,"c":[1,null]},"d":"x"}}`, "Ada 👩‍💻", "en-GB", `{"a":{"b":1,"c":[1,null]},"d":"x"}`, "ada"},
		{`{"user_metadata":{"a":{"b":null,"e":2},"d":null},"locale":null}`, "Ada 👩‍💻", "", `{"a":{"c":[1,null],"e":2}}`, "ada"},
		{`{"user_metadata":null,"display_name":null,"username":"Countess"}`, "", "", `{}`, "Countess"},
	} {
		a := patchMe(t, h, token, step.patch)
		for _, got := range []impltest.Answer{a, h.Me(t, token)} {
			metadata, _ := json.Marshal(got.JSON("user_metadata"))
			if got.Status != 200 || got.Text("display_name") != step.name || got.Text("locale") != step.locale ||
				string(metadata) != step.metadata || got.Text("username") != step.username {
				t.Errorf("%s: got %d %s", step.patch, got.Status, got.Body)
			}
		}
		if tag := h.Me(t, token).Header.Get("ETag"); tag != a.Header.Get("ETag") {
			t.Errorf("%s: the ETag is %s, and then %s", step.patch, a.Header.Get("ETag"), tag)
		}
	}
	h.MustRegister(t, "grace")
	if a := patchMe(t, h, token, `{"username":"GRACE"}`); a.Status != 409 || a.Text("code") != "username_taken" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	// A user's own username in another case is not another user's.
	if a := patchMe(t, h, token, `{"username":"countess"}`); a.Status != 200 || a.Text("username") != "countess" {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// G-5: members that a user may not set, and values that can't be stored.
func TestG5_PatchesThatAreRefused(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	before := h.Me(t, token)
	for body, want := range map[string][2]string{
		`{"is_superuser":true}`:       {"/is_superuser", "unknown"},
		`{"email":"eve@example.com"}`: {"/email", "unknown"},
		`{"email_verified":true}`:     {"/email_verified", "unknown"},
		`{"username":null}`:           {"/username", "wrong_type"},
		`{"username":"x"}`:            {"/username", "too_short"},
		`{"display_name":""}`:         {"/display_name", "too_short"},
		`{"display_name":"a\nb"}`:     {"/display_name", "invalid_character"},
		`{"locale":"english please"}`: {"/locale", "invalid_format"},
		`{"user_metadata":[]}`:        {"/user_metadata", "wrong_type"},
		`{"user_metadata":{"a":"` + strings.Repeat("x", 8200) + `"}}`: {"/user_metadata", "too_long"},
		`{"user_metadata":{"a":["\u0000"]}}`:                          {"/user_metadata", "invalid_character"},
		`{"user_metadata":{"\u0000":1}}`:                              {"/user_metadata", "invalid_character"},
		`{"user_metadata":{"a":[{"b":1e308}]}}`:                       {"/user_metadata", "invalid_format"},
		`{"user_metadata":{"a":-1e-300}}`:                             {"/user_metadata", "invalid_format"},
		`{"user_metadata":{"a":9007199254740993}}`:                    {"/user_metadata", "invalid_format"},
		`{"user_metadata":{"a":[-9007199254740992]}}`:                 {"/user_metadata", "invalid_format"},
		`[]`: {"", "wrong_type"},
	} {
		a := patchMe(t, h, token, body)
		if got := violations(a); a.Status != 422 || len(got) != 1 || got[0] != want {
			t.Errorf("%.80s: got %d %s", body, a.Status, a.Body)
		}
	}
	// An escaped backslash before u0000 is six harmless characters.
	if a := patchMe(t, h, token, `{"user_metadata":{"a":"\\u0000","b":9007199254740991,"c":1e-21,"d":0}}`); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	// The contract allows each of the two patches.
	members := func(letter string) string {
		var b strings.Builder
		for i := range 600 {
			fmt.Fprintf(&b, `"%s%x":1,`, letter, i)
		}
		return `{"user_metadata":{` + strings.TrimSuffix(b.String(), ",") + `}}`
	}
	if a := patchMe(t, h, token, members("a")); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if a := patchMe(t, h, token, members("b")); a.Status != 422 || violations(a)[0][1] != "too_long" {
		t.Errorf("1,200 members got %d %.300s", a.Status, a.Body)
	}
	if a := patchMe(t, h, token, `{"user_metadata":null}`); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	after := h.Me(t, token)
	for _, member := range []string{"email", "email_verified", "username", "is_superuser", "display_name", "user_metadata"} {
		if diff := cmp.Diff(before.JSON(member), after.JSON(member)); diff != "" {
			t.Errorf("%s: %s", member, diff)
		}
	}
}

// RFC 9110 section 13.1.1.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	first := h.Me(t, token).Header.Get("ETag")
	second := patchMe(t, h, token, `{"locale":"de"}`).Header.Get("ETag")
	if first == second {
		t.Fatalf("a change leaves the ETag %s", first)
	}
	for _, header := range []string{first, "W/" + second, `"x"`} {
		if a := patchMe(t, h, token, `{}`, "If-Match", header); a.Status != 412 {
			t.Errorf("If-Match: %s got %d %s", header, a.Status, a.Body)
		}
	}
	if a := patchMe(t, h, token, `{}`, "If-Match", first+", "+second); a.Status != 200 {
		t.Errorf("a list with the present ETag got %d %s", a.Status, a.Body)
	}
	if a := patchMe(t, h, token, `{}`, "If-Match", "*"); a.Status != 200 {
		t.Errorf("If-Match: * got %d %s", a.Status, a.Body)
	}
}

// Requests and responses that the contract shows as examples.
func TestAccountRequestsAgainstTheContract(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustRegister(t, "ada")
	for what, a := range map[string]impltest.Answer{
		"update":         patchMe(t, h, token, `{"is_superuser":true,"username":"x"}`),
		"password":       sendJSON(t, h, token, "PUT", impltest.PasswordPath, `{"new_password":"short"}`),
		"reauthenticate": sendJSON(t, h, token, "POST", impltest.ReauthenticationPath, `{"factor":"email_code","password":"x"}`),
		"events":         as(t, h, token, "GET", impltest.EventsPath+"?limit=0"),
	} {
		if a.Status != 422 {
			t.Errorf("%s: got %d %s", what, a.Status, a.Body)
		}
	}
}

// Renames are limited as registrations are, because both reveal whether a username is taken.
func TestRenamesAreLimited(t *testing.T) {
	t.Parallel()
	h := limited(t)
	token := h.MustRegister(t, "ada")
	h.MustRegister(t, "grace")
	for i := range 6 {
		want := 409
		if i == 5 {
			want = 429
		}
		wantStatus(t, fmt.Sprint("rename ", i), patchMe(t, h, token, `{"username":"grace"}`), want)
	}
	wantStatus(t, "another member", patchMe(t, h, token, `{"locale":"de","username":"ADA"}`), 200)
}
