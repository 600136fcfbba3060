package authn_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/authn"
)

// These tests run in a bubble of testing/synctest. It has its own clock, knows when all goroutines
// wait, and fails if one of them stays behind. A bubble can't have a network, so a transport takes
// the place of the server.

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer returns the response of a handler, without a network.
func answer(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestSingleFlight(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	outside := newServer(t, signer)
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var requests atomic.Int32
		v := outside.verifier(func(o *authn.Options) {
			o.URL, o.Now = "http://auth.example.com", nil
			o.Client = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
				requests.Add(1)
				<-gate
				return answer(outside, r), nil
			})}
		})
		token := signer.sign(outside.header(signer), claimsAt(time.Now()))
		const callers = 100
		results := make(chan error, callers)
		for range callers {
			go func() {
				_, err := v.Verify(t.Context(), token)
				results <- err
			}()
		}
		synctest.Wait()
		if got := requests.Load(); got != 1 || len(results) != 0 {
			t.Errorf("%d requests, and %d answers, while the server thinks", got, len(results))
		}
		close(gate)
		for range callers {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if got := requests.Load(); got != 2 {
			t.Errorf("got %d requests, want 2", got)
		}
	})
}

// A request to a server that never responds ends after the client's timeout, or after 5 s if the
// client has none. Nothing keeps waiting.
func TestTimeout(t *testing.T) {
	t.Parallel()
	signer := newEdDSA("ed")
	outside := newServer(t, signer)
	for name, test := range map[string]struct{ given, want time.Duration }{
		"the client's": {time.Second, time.Second},
		"the default":  {0, 5 * time.Second},
		"negative":     {-1, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := outside.verifier(func(o *authn.Options) {
					o.Now = nil
					o.Client = &http.Client{Timeout: test.given, Transport: transport(func(r *http.Request) (*http.Response, error) {
						<-r.Context().Done()
						return nil, r.Context().Err()
					})}
				})
				start := time.Now()
				_, err := v.Verify(t.Context(), signer.sign(outside.header(signer), claimsAt(start)))
				if !errors.Is(err, authn.ErrUnavailable) || time.Since(start) != test.want {
					t.Errorf("got %v after %s, want %s", err, time.Since(start), test.want)
				}
			})
		})
	}
}
