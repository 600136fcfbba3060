package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// F-9: a server that is killed during refreshes leaves every session usable. The client's token
// stays valid, whether the response was lost or the exchange itself.
func TestCrashWhileRefreshing(t *testing.T) {
	t.Parallel()
	const clients, rounds = 4, 5
	dir := openFolder(t)
	environ := append(testEnviron(),
		"LATCHKEY_DATA_DIR="+dataFolderIn(t, dir), "LATCHKEY_RATE_LIMITS=off", "LATCHKEY_REFRESH_REUSE_WINDOW=1m")
	p, server := serve(t, dir, environ)
	tokens := make([]string, clients)
	for c := range tokens {
		name := fmt.Sprintf("user-%d", c)
		if a, err := register(server, name+"@example.com", name, crashPassword); a.status != 201 || err != nil {
			t.Fatalf("registration answered %d %s, %v", a.status, a.body, err)
		}
		a, err := login(server, name+"@example.com", crashPassword)
		if err != nil {
			t.Fatal(err)
		}
		tokens[c] = refreshTokenOf(a)
	}
	for round := range rounds {
		refreshUntilKilled(t, p, server, tokens)
		p, server = serve(t, dir, environ)
		for c, token := range tokens {
			a, err := refresh(server, token)
			if a.status != 200 || err != nil {
				t.Fatalf("round %d: refresh answered %d %s, %v; want 200", round, a.status, a.body, err)
			}
			tokens[c] = refreshTokenOf(a)
		}
	}
	p.stop(t)
}

// refreshUntilKilled refreshes from several clients and kills the server meanwhile. Afterwards
// tokens holds the last token that each client received.
func refreshUntilKilled(t *testing.T, p *process, server string, tokens []string) {
	t.Helper()
	const enough = 100
	var (
		count atomic.Int64
		wg    sync.WaitGroup
	)
	for c := range tokens {
		wg.Go(func() {
			for {
				a, err := refresh(server, tokens[c])
				if err != nil {
					return // killed
				}
				if a.status != 200 {
					t.Errorf("refresh answered %d: %s", a.status, a.body)
					return
				}
				tokens[c] = refreshTokenOf(a)
				count.Add(1)
			}
		})
	}
	err := eventually("sessions are refreshed", func() bool { return count.Load() >= enough })
	p.kill()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
}

func refresh(server, token string) (answer, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}.Encode()
	return do("POST", server+"/api/users/login/token/", "application/x-www-form-urlencoded", "", form)
}

func refreshTokenOf(a answer) string {
	var body struct {
		Token string `json:"refresh_token"`
	}
	if json.Unmarshal([]byte(a.body), &body) != nil {
		return ""
	}
	return body.Token
}
