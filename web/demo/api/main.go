// Command api is the demo's own API: notes that each user sees alone. It shows how a backend takes
// Latchkey's access tokens. It imports only the authn package and the standard library, so that it
// can be copied.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/latchkey-auth/latchkey/authn"
)

// drainTimeout bounds how long requests in flight may still run after a signal.
const drainTimeout = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

// settings are the addresses of the three parts, and what each token must say.
type settings struct{ addr, origin, latchkey, issuer, audience string }

// readSettings reads the flags. The default of a flag is its environment variable, if that is set.
func readSettings(args []string, getenv func(string) string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	flags.SetOutput(stderr)
	setting := func(p *string, name, env, value, usage string) {
		if v := getenv(env); v != "" {
			value = v
		}
		flags.StringVar(p, name, value, usage+" ("+env+")")
	}
	setting(&s.addr, "addr", "NOTES_ADDR", "127.0.0.1:8001", "`address` to listen on")
	setting(&s.origin, "origin", "NOTES_ORIGIN", "http://127.0.0.1:5173", "`origin` of the page that may call this API")
	setting(&s.latchkey, "latchkey", "NOTES_LATCHKEY_URL", "http://127.0.0.1:8000", "`URL` of the Latchkey server")
	setting(&s.issuer, "issuer", "NOTES_ISSUER", "latchkey", "the server's LATCHKEY_JWT_ISSUER")
	setting(&s.audience, "audience", "NOTES_AUDIENCE", "latchkey:auth", "the server's LATCHKEY_JWT_AUDIENCE")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return s, nil
}

// run serves the notes until ctx ends. It then waits for the requests in flight.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	s, err := readSettings(args, getenv, stderr)
	if err != nil {
		return err
	}
	verifier, err := authn.NewVerifier(authn.Options{URL: s.latchkey, Issuer: s.issuer, Audience: s.audience})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           newHandler(verifier, s.origin, time.Now),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	fmt.Fprintf(stdout, "The notes listen on http://%s, for pages of %s\n", listener.Addr(), s.origin)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// The caller's context has ended, and the requests in flight get their time all the same.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	return server.Shutdown(drain)
}

// newHandler returns the routes. Requests for notes need a valid token.
func newHandler(verifier *authn.Verifier, origin string, now func() time.Time) http.Handler {
	n := &notes{now: now, byUser: map[string][]note{}}
	routes := http.NewServeMux()
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /notes": n.list, "POST /notes": n.add, "DELETE /notes/{id}": n.remove,
	} {
		routes.Handle(pattern, verifier.Middleware(handle))
	}
	routes.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { writeProblem(w, errNoRoute) })
	routes.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		// Every page may read this. A page that is not allowed to read the notes learns by it that
		// the API runs.
		w.Header().Set("Access-Control-Allow-Origin", "*")
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	return allowOrigin(origin, routes)
}

// allowOrigin lets pages of one origin read the responses (the CORS protocol of the Fetch
// standard). It stands before the check of the token, because a browser sends preflights without
// one, and because the page has to be able to read a 401.
func allowOrigin(origin string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if r.Header.Get("Origin") != origin {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		// The client reads the challenge of a 401, and how long to wait after a 503.
		h.Set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate")
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}
