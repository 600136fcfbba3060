package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"

	"github.com/latchkey-auth/latchkey/impl/auth/challenge"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

func (b *bench) measureRegister(ctx context.Context, t *table) error {
	return b.measure(ctx, t, series{
		what: "registration", connections: []int{1, 8}, hashes: true,
		prepare: func(p *process) (shots, error) {
			return func([]byte) shot {
				name := fmt.Sprintf("new-%x", rand.Uint64())
				body := fmt.Sprintf(`{"email":%q,"username":%q,"password":%q}`, email(name), name, passphrase)
				return post(p, "/api/users/", body, http.StatusCreated)
			}, nil
		},
	})
}

// measureCodes measures requests for a code, and logins by a code. The codes are derived as the
// server does it, because nobody reads the mails. A release before 0.7.0 has none: leave the part
// out with -only.
func (b *bench) measureCodes(ctx context.Context, t *table) error {
	err := b.measure(ctx, t, series{
		what: "reset request", connections: []int{1, 8},
		prepare: func(p *process) (shots, error) {
			return func([]byte) shot { return codeShot(p, "/api/users/password-resets/") }, fill(ctx, p, fewUsers)
		},
	})
	if err != nil {
		return err
	}
	codes, err := challenge.NewCodes(secret.New(secretKey), secret.Text{})
	if err != nil {
		return err
	}
	return b.measure(ctx, t, series{
		what: "login by code (every other response)", connections: []int{1, 8},
		prepare: func(p *process) (shots, error) {
			return func(body []byte) shot {
				var last struct{ Request string }
				_ = json.Unmarshal(body, &last) // no request in the body: the next one asks for it
				id, isAsked := codes.ReadRequest(challenge.LoginCode, secret.New(last.Request))
				if !isAsked {
					return codeShot(p, "/api/users/login/code/")
				}
				answer := fmt.Sprintf(`{"request":%q,"factor":"email_code","code":%q}`,
					last.Request, codes.Code(challenge.LoginCode, id).Reveal())
				return post(p, "/api/users/login/continue/", answer, http.StatusOK)
			}, fill(ctx, p, fewUsers)
		},
	})
}

// asked counts the requests for codes. Each is for the next user, because a newer request for the
// same address ends the older one.
var asked atomic.Int64

func codeShot(p *process, path string) shot {
	body := fmt.Sprintf(`{"email":%q}`, email(userName(1+int(asked.Add(1)%fewUsers))))
	return post(p, path, body, http.StatusAccepted)
}
