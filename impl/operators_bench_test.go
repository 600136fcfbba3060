package impl_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// fillUsers makes users, one a minute. A third of them isn't verified, one in a thousand is
// inactive, five are both, and one in twenty thousand has the role support. Emails begin with a
// hexadecimal digit.
func fillUsers(tb testing.TB, h *impltest.Harness, n int) {
	tb.Helper()
	for _, text := range []string{
		`INSERT INTO users (id, email, email_key, username, username_key, email_verified, is_active, is_superuser, user_metadata,
			app_metadata, created_at, updated_at)
		SELECT uuid_in(overlay(overlay(md5(i::text || 'id') PLACING '7' FROM 13) PLACING 'a' FROM 17)::cstring),
			e, e, 'user_' || i, 'user_' || i, i % 3 <> 0 AND i % ($1 / 5) <> 7, i % 1000 <> 1 AND i % ($1 / 5) <> 7, i % ($1 / 5) = 8,
			'{"theme": "dark"}', '{"plan": "free"}', at, at
		FROM (
			SELECT i, left(md5(i::text), 6) || '.' || i || '@example.com' AS e, '2024-01-01'::timestamptz + i * interval '1 minute' AS at
			FROM generate_series(1, $1::int) i
		) s`,
		`INSERT INTO user_roles SELECT id, 'support', now() FROM users WHERE username LIKE 'user\_%9' ORDER BY md5(username) LIMIT $1::int / 20000`,
		`INSERT INTO passwords SELECT id, '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', created_at
		FROM users WHERE username LIKE 'user\_%' AND $1::int > 0`,
	} {
		if _, err := h.Pool.Exec(tb.Context(), text, n); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := h.Pool.Exec(tb.Context(), "VACUUM ANALYZE"); err != nil {
		tb.Fatal(err)
	}
}

// everyFilter returns a query string for every combination of the filters of a list of users.
func everyFilter() (queries []string) {
	for _, prefix := range []string{"", "a", "a1b", "nobody"} {
		for _, active := range []string{"", "true", "false"} {
			for _, verified := range []string{"", "true", "false"} {
				for _, role := range []string{"", "support", "superuser"} {
					query := url.Values{}
					for name, value := range map[string]string{
						"email_prefix": prefix, "is_active": active, "email_verified": verified, "role": role,
					} {
						if value != "" {
							query.Set(name, value)
						}
					}
					queries = append(queries, query.Encode())
				}
			}
		}
	}
	return queries
}

// BenchmarkListUsers measures the first page, a later one and the last one of 1,000,000 users, and
// the first page of every combination of filters: a request through the whole handler.
func BenchmarkListUsers(b *testing.B) {
	h := impltest.New(b)
	token := h.MustOperator(b, "zoe", "support", "users:read")
	const users = 1_000_000
	fillUsers(b, h, users)
	page := func(b *testing.B, query string) (next string) {
		b.Helper()
		w := httptest.NewRecorder()
		h.Server.ServeHTTP(w, h.Request("GET", impltest.UsersPath+"?"+query, "", "Authorization", "Bearer "+token))
		var got struct{ Next string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
			b.Fatalf("%s: got %d %s", query, w.Code, w.Body)
		}
		return got.Next
	}
	measure := func(name, query string) {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				serve(b, h, h.Request("GET", impltest.UsersPath+"?"+query, "", "Authorization", "Bearer "+token), 200)
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[0].Microseconds()), "min-µs")
		})
	}
	measure("first page of 100", "limit=100")
	for _, filter := range []string{"", "is_active=true&email_verified=true", "email_prefix=a"} {
		measure("first page/"+filter, filter)
		var last string
		query, pages := filter+"&limit=100", 0
		for next := page(b, query); next != ""; next = page(b, query) {
			query, pages = filter+"&limit=100&cursor="+next, pages+1
			if pages == 300 {
				measure("page 300/"+filter, filter+"&cursor="+next)
			}
			last = next
		}
		measure("last page/"+filter, filter+"&cursor="+last)
	}
	for _, filter := range everyFilter() {
		measure("filter/"+filter, filter)
	}
}
