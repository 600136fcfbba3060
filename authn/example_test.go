package authn_test

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/authn"
)

// A service with one operation, which only users of https://auth.example.com may call.
func ExampleVerifier_Middleware() {
	verifier, err := authn.NewVerifier(authn.Options{URL: "https://auth.example.com", Audience: "latchkey:auth"})
	if err != nil {
		log.Fatal(err)
	}
	orders := func(w http.ResponseWriter, r *http.Request) {
		claims, _ := authn.FromContext(r.Context())
		if _, err := fmt.Fprintf(w, "the orders of %s, known as %s\n", claims.UserID, claims.Username); err != nil {
			log.Print(err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", verifier.Middleware(http.HandlerFunc(orders)))
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}
