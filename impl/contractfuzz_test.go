package impl_test

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/impltest/contractfuzz"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// maxBody is the limit of the body that the contract's 413 names, in bytes.
const maxBody = 64 << 10

// Unless the command line sets rapid's flags, each run sends the same few requests of each kind.
func init() {
	for name, value := range map[string]string{"seed": "1", "checks": "3", "nofailfile": "true", "shrinktime": "2s"} {
		if err := flag.Set("rapid."+name, value); err != nil {
			panic(err)
		}
	}
}

// byMail are the operations that succeed only with a mailed code. A code can't be drawn, and these
// operations have tests of their own.
var byMail = []string{
	"CompleteRegistration", "ContinueLogin", "ConfirmPasswordReset", "ConfirmEmailVerification", "ConfirmEmailChange",
}

// Requests drawn from the contract's schemas. Valid requests are not refused for their shape.
// Requests that are broken in one place are refused. None gets a 5xx, and every response is
// declared.
func TestContractFuzz(t *testing.T) {
	t.Parallel()
	h := impltest.New(t, impltest.Options{SessionCookies: true, PublicURL: authOrigin})
	h.MustRegister(t, "ada") // the user of the contract's examples
	kinds, err := contractfuzz.Kinds(impltest.Contract(), maxBody)
	if err != nil {
		t.Fatalf("the contract says what the fuzzer doesn't know; teach it: %v", err)
	}
	var (
		users     atomic.Int64
		ran       atomic.Int64
		succeeded sync.Map // operations of which a valid request succeeded
	)
	// Each request has its own user, because one request may end all sessions of its user.
	credentials := func() (token string, params map[string]string) {
		name := fmt.Sprintf("fuzzed-%d", users.Add(1))
		granted, err := h.Auth.Register(t.Context(), auth.Caller{}, auth.Registration{
			Email: name + "@example.com", Username: name, Password: secret.New(impltest.Password),
		})
		if err != nil {
			t.Error(err)
		}
		access := granted.Grant.Access
		return access.Text.Reveal(), map[string]string{"session_id": access.Claims.SessionID.String()}
	}
	// Each request has its own operator, and its own user that it is about.
	ofOperator := func() (token string, params map[string]string) {
		name := fmt.Sprintf("operator-%d", users.Add(1))
		token = h.MustOperator(t, name, auth.RoleSuperuser, impltest.AllScopes)
		user := h.MustRegister(t, name+"-user")
		return token, map[string]string{"user_id": claims(t, user).UID.String()}
	}
	operators := map[string]bool{}
	for _, item := range impltest.Contract().Paths.Map() {
		for _, op := range item.Operations() {
			operators[op.OperationID] = slices.Contains(op.Tags, "operators")
		}
	}
	for _, operation := range byMail {
		succeeded.Store(operation, true)
	}
	t.Cleanup(func() {
		for _, kind := range kinds {
			if _, ok := succeeded.LoadOrStore(kind.Operation, true); !ok && int(ran.Load()) == len(kinds) {
				t.Errorf("%s got no valid request that succeeded: refusals alone prove nothing", kind.Operation)
			}
		}
	})
	for _, kind := range kinds {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			ran.Add(1)
			rapid.Check(t, func(rt *rapid.T) {
				who := credentials
				if operators[kind.Operation] {
					who = ofOperator
				}
				c := kind.Draw(rt, h.URL, who)
				rt.Log(c)
				a, err := h.Try(t, c.Request)
				rt.Logf("answered: %d %s", a.Status, a.Body)
				if err == nil {
					err = c.Judge(a.Status, a.Body)
				}
				if err != nil {
					rt.Fatal(err)
				}
				if kind.Valid() && a.Status < 400 {
					succeeded.Store(kind.Operation, true)
				}
			})
		})
	}
}
