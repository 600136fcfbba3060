package impl_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// pageOf returns a page of the list of users.
func pageOf(t *testing.T, h *impltest.Harness, token, query string) (page api.UserPage, link string) {
	t.Helper()
	a := as(t, h, token, "GET", impltest.UsersPath+query)
	if err := json.Unmarshal(a.Body, &page); err != nil || a.Status != 200 {
		t.Fatalf("%s: got %d %s, %v", query, a.Status, a.Body, err)
	}
	return page, a.Header.Get("Link")
}

// usernamesOf returns the usernames of a whole list, page after page by the links.
func usernamesOf(t *testing.T, h *impltest.Harness, token, query string) (names []string) {
	t.Helper()
	for range 100 {
		page, link := pageOf(t, h, token, query)
		for _, user := range page.Users {
			names = append(names, user.Username)
		}
		next := regexp.MustCompile(`^<(\?[^>]+)>; rel="next"$`).FindStringSubmatch(link)
		if (next == nil) != (page.Next == nil) || (next == nil) != (link == "") {
			t.Fatalf("%s: the link is %q and next %v", query, link, page.Next)
		}
		if next == nil {
			return names
		}
		query = next[1]
		if values, err := url.ParseQuery(query[1:]); err != nil || values.Get("cursor") != *page.Next {
			t.Fatalf("the link is %q and next %q", link, *page.Next)
		}
	}
	t.Fatal("the list has no end")
	return nil
}

// listed is a user of the list's tests.
type listed struct {
	name               string
	email              string
	inactive, verified bool
	role               string
	age                int // in days
}

// listedUsers returns users whose ids, emails and times each have another order.
func listedUsers() (users []listed) {
	for i := range 24 {
		users = append(users, listed{
			name: fmt.Sprintf("user_%02d", i), email: fmt.Sprintf("%c%02d@example.com", "abA"[i%3], i),
			inactive: i%4 == 0, verified: i%2 == 0, role: []string{"", "support", "superuser", "", ""}[i%5], age: 1 + i*7%24,
		})
	}
	return users
}

func insertListed(t *testing.T, h *impltest.Harness, users []listed) {
	t.Helper()
	for _, u := range users {
		id, at := uuid.Must(uuid.NewV7()), h.Clock.Now().AddDate(0, 0, -u.age)
		_, err := h.Pool.Exec(t.Context(), `INSERT INTO users (id, email, email_key, username, username_key, email_verified,
			is_active, is_superuser, created_at, updated_at) VALUES ($1, $2, lower($2), $3, $3, $4, $5, $6, $7, $7)`,
			id, u.email, u.name, u.verified, !u.inactive, u.role == "superuser", at)
		if err == nil && u.role == "support" {
			_, err = h.Pool.Exec(t.Context(), `INSERT INTO user_roles VALUES ($1, 'support', $2)`, id, at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Each combination of filters lists exactly its users in their order, whatever the size of a page.
func TestListUsersFilters(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "zoe", "support", "users:read")
	users := listedUsers()
	insertListed(t, h, users)
	users = append(users, listed{name: "zoe", email: "zoe@example.com", role: "support"})
	seen := 0
	for _, prefix := range []string{"", "a", "A0", "b", "b1", "nobody", "zoe@EXAMPLE.com"} {
		for _, active := range []string{"", "true", "false"} {
			for _, verified := range []string{"", "true", "false"} {
				for _, role := range []string{"", "support", "superuser"} {
					var want []listed
					for _, u := range users {
						if strings.HasPrefix(strings.ToLower(u.email), strings.ToLower(prefix)) && active != fmt.Sprint(u.inactive) &&
							(verified == "" || verified == fmt.Sprint(u.verified)) && (role == "" || role == u.role) {
							want = append(want, u)
						}
					}
					slices.SortFunc(want, func(a, b listed) int {
						if prefix != "" {
							return strings.Compare(strings.ToLower(a.email), strings.ToLower(b.email))
						}
						return a.age - b.age
					})
					var names []string
					for _, u := range want {
						names = append(names, u.name)
					}
					query := url.Values{}
					for name, value := range map[string]string{
						"email_prefix": prefix, "is_active": active, "email_verified": verified, "role": role,
					} {
						if value != "" {
							query.Set(name, value)
						}
					}
					query.Set("limit", fmt.Sprint(1+seen%7))
					if diff := cmp.Diff(names, usernamesOf(t, h, token, "?"+query.Encode())); diff != "" {
						t.Errorf("%s (-want +got):\n%s", query.Encode(), diff)
					}
					seen += len(names)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("nothing was listed")
	}
}

// A page begins where the one before ended, whatever was created and deleted since, also if the
// user of the cursor was deleted. Users of the same moment have an order, too.
func TestListUsersMeanwhile(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "zoe", "support", "users:read")
	users := listedUsers()
	for i := range users {
		users[i].age = 1 + i/12 // a dozen each of one moment
	}
	insertListed(t, h, users)
	for _, query := range []string{"?limit=5&is_active=true", "?limit=5&email_prefix=a", "?limit=2&role=support"} {
		whole := usernamesOf(t, h, token, query)
		page, link := pageOf(t, h, token, query)
		last := page.Users[len(page.Users)-1]
		if _, err := h.Pool.Exec(t.Context(), "DELETE FROM users WHERE id = $1", last.ID); err != nil {
			t.Fatal(err)
		}
		insertListed(t, h, []listed{{name: "new-" + query[len(query)-4:], email: "a00" + query[len(query)-2:] + "@example.com", age: -3}})
		next, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
		if diff := cmp.Diff(whole[len(page.Users):], usernamesOf(t, h, token, next)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

// A cursor that was forged, truncated or made for other filters or for another list is 422.
func TestListUsersForgedCursor(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "zoe", "superuser", impltest.AllScopes)
	insertListed(t, h, listedUsers())
	page, _ := pageOf(t, h, token, "?limit=2&is_active=true")
	cursor := *page.Next
	for name, query := range map[string]string{
		"no filter":            "?cursor=" + cursor,
		"another filter":       "?is_active=false&cursor=" + cursor,
		"one filter more":      "?is_active=true&email_verified=true&cursor=" + cursor,
		"cut off":              "?is_active=true&cursor=" + cursor[:len(cursor)-1],
		"cut off at the start": "?is_active=true&cursor=lkc_" + cursor[5:],
		"another bit":          "?is_active=true&cursor=" + cursor[:20] + string(cursor[20]^1) + cursor[21:],
		"an id":                "?is_active=true&cursor=01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90",
	} {
		a := as(t, h, token, "GET", impltest.UsersPath+query)
		want := [][2]string{{"/query/cursor", "invalid_format"}}
		if got := violations(a); a.Status != 422 || !cmp.Equal(got, want) {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
	}
	// The size of a page isn't a filter.
	if page, _ := pageOf(t, h, token, "?limit=100&is_active=true&cursor="+cursor); len(page.Users) != 17 {
		t.Errorf("got %d users", len(page.Users))
	}
}

// An operator sees all of a user but secrets, in the list and by id.
func TestGetUser(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "zoe", "support", "users:read")
	h.Clock.Advance(time.Minute)
	id := claims(t, h.MustRegister(t, "ada")).UID
	h.GiveRole(t, "ada", "support")
	h.GiveRole(t, "ada", "superuser")
	if _, err := h.Pool.Exec(t.Context(), `UPDATE users SET app_metadata = '{"plan": "pro"}' WHERE id = $1`, id); err != nil {
		t.Fatal(err)
	}
	now := h.Clock.Now().UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
	want := map[string]any{
		"id": id.String(), "email": "ada@example.com", "username": "ada", "email_verified": false, "is_active": true,
		"is_superuser": true, "created_at": now, "updated_at": now, "user_metadata": map[string]any{}, "app_metadata": map[string]any{"plan": "pro"},
		"roles": []any{"superuser", "support"}, "has_password": true, "last_login_at": now,
	}
	a := as(t, h, token, "GET", impltest.UsersPath+id.String()+"/")
	var got map[string]any
	if err := json.Unmarshal(a.Body, &got); err != nil || a.Status != 200 {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alone (-want +got):\n%s", diff)
	}
	var page struct{ Users []map[string]any }
	if err := json.Unmarshal(as(t, h, token, "GET", impltest.UsersPath+"?limit=1").Body, &page); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]map[string]any{want}, page.Users); diff != "" {
		t.Errorf("in the list (-want +got):\n%s", diff)
	}
	for _, id := range []string{"01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90", "ada", "1"} {
		if a := as(t, h, token, "GET", impltest.UsersPath+id+"/"); a.Status != 404 || a.Text("code") != "account_not_found" {
			t.Errorf("%s: got %d %s", id, a.Status, a.Body)
		}
	}
}

// A prefix is compared as an email is: without regard to case, in NFC, and the domain of a whole
// email in ASCII. No character is a wildcard.
func TestListUsersPrefixes(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	token := h.MustOperator(t, "zoe", "support", "users:read")
	for username, email := range map[string]string{
		"joerg": "Jörg@bücher.example", "percent": "a%b@example.com", "plain": "axb@example.com", "underscore": "a_b@example.com",
	} {
		if a := h.Register(t, email, username, impltest.Password); a.Status != 201 {
			t.Fatalf("got %d %s", a.Status, a.Body)
		}
	}
	for prefix, want := range map[string][]string{
		"jÖR": {"joerg"}, "Jo\u0308rg@": {"joerg"}, "jörg@BÜCHER.example": {"joerg"}, "jörg@xn--b": {"joerg"}, "jo": nil,
		"a": {"percent", "underscore", "plain"}, "a%": {"percent"}, "a_": {"underscore"}, "a%b@example.com": {"percent"},
		"a\\": nil, "'": nil, "a*": nil, "\U0010FFFF": nil, "zoe@example.com\u00a0": nil,
	} {
		got := usernamesOf(t, h, token, "?limit=2&email_prefix="+url.QueryEscape(prefix))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", prefix, diff)
		}
	}
	for name, query := range map[string]string{
		"no UTF-8": "email_prefix=%FF", "NUL": "email_prefix=a%00", "empty": "email_prefix=", "twice": "email_prefix=a&email_prefix=b",
		"long": "email_prefix=" + strings.Repeat("a", 255), "a space": "email_prefix=a+b",
	} {
		a := as(t, h, token, "GET", impltest.UsersPath+"?"+query)
		if got := violations(a); a.Status != 422 || len(got) != 1 || got[0][0] != "/query/email_prefix" {
			t.Errorf("%s: got %d %s", name, a.Status, a.Body)
		}
	}
}
