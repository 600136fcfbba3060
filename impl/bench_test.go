package impl_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/auth/password"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// serve sends one request through the whole handler, without a socket.
func serve(b *testing.B, h *impltest.Harness, r *http.Request, want int) {
	b.Helper()
	w := httptest.NewRecorder()
	h.Server.ServeHTTP(w, r)
	if w.Code != want {
		b.Fatalf("got %d %s", w.Code, w.Body)
	}
}

func BenchmarkGetCurrentUser(b *testing.B) {
	h := impltest.New(b)
	token := h.MustRegister(b, "ada")
	b.ReportAllocs()
	for b.Loop() {
		serve(b, h, h.Request("GET", impltest.MePath, "", "Authorization", "Bearer "+token), 200)
	}
}

// BenchmarkLogin hashes with the parameters that the service has by default.
func BenchmarkLogin(b *testing.B) {
	h := impltest.New(b, impltest.Options{Hash: password.DefaultParams})
	h.MustRegister(b, "ada")
	b.ReportAllocs()
	for b.Loop() {
		serve(b, h, h.LoginRequest("username", "ada@example.com", "password", impltest.Password), 200)
	}
}

// BenchmarkValidation refuses a registration: all of the contract's work and none of the service's.
func BenchmarkValidation(b *testing.B) {
	h := impltest.New(b)
	const body = `{"email":"ada@example.com","username":"a","password":"correct horse battery staple"}`
	b.ReportAllocs()
	for b.Loop() {
		serve(b, h, h.Request("POST", impltest.RegisterPath, body, "Content-Type", "application/json"), 422)
	}
}

func BenchmarkGetLiveness(b *testing.B) {
	h := impltest.New(b)
	b.ReportAllocs()
	for b.Loop() {
		serve(b, h, h.Request("GET", "/healthz", ""), 200)
	}
}
