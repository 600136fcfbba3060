package mail

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	netmail "net/mail"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// server is a real SMTP server that keeps what it receives.
type server struct {
	*smtp.Server
	addr string
	// change may refuse or delay a command: "MAIL", "RCPT", "DATA" or "DONE", which comes before
	// the server confirms a mail.
	change func(command, argument string) error
	// afterMail is called when the server has confirmed a mail.
	afterMail func()
	// isImplicit is TLS from the beginning.
	isImplicit bool
	// passwords receives what clients send; password is the right one.
	passwords chan string
	password  string

	conns    connections
	mu       sync.Mutex
	received []*received
}

type received struct {
	from, to string
	header   netmail.Header
	raw      []byte
}

// newServer starts a server. change may be nil.
func newServer(tb testing.TB, change func(command, argument string) error) *server {
	tb.Helper()
	s := &server{change: change}
	s.Server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }))
	s.Domain, s.ErrorLog = "localhost", discard{}
	s.EnableSMTPUTF8 = true
	s.serve(tb)
	return s
}

func (s *server) serve(tb testing.TB) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s.addr = ln.Addr().String()
	if s.isImplicit {
		ln = tls.NewListener(ln, s.TLSConfig)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(s.conns.listen(ln)) // it ends with Close
	}()
	tb.Cleanup(func() {
		_ = s.Close()
		<-done
	})
}

// mails returns the mails that the server has accepted.
func (s *server) mails() []*received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*received(nil), s.received...)
}

func (s *server) on(command, argument string) error {
	if s.change == nil {
		return nil
	}
	return s.change(command, argument)
}

type session struct {
	server   *server
	from, to string
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return s.server.on("MAIL", from)
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to += to
	return s.server.on("RCPT", to)
}

func (s *session) Data(r io.Reader) error {
	if err := s.server.on("DATA", s.to); err != nil {
		return err
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	message, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	if err := s.server.on("DONE", message.Header.Get("Message-Id")); err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.received = append(s.server.received, &received{s.from, s.to, message.Header, raw})
	return nil
}

func (s *session) Reset() {
	// The first command after a mail is RSET.
	if s.server.afterMail != nil && len(s.server.mails()) > 0 {
		s.server.afterMail()
	}
	s.from, s.to = "", ""
}

func (s *session) Logout() error { return nil }

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

// dropAll closes all connections.
func (s *server) dropAll() {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	for _, conn := range s.conns.all {
		_ = conn.Close()
	}
}

// connections are those that a listener has accepted.
type connections struct {
	mu  sync.Mutex
	all []net.Conn
}

func (c *connections) listen(ln net.Listener) net.Listener { return &remembering{ln, c} }

type remembering struct {
	net.Listener
	conns *connections
}

func (r *remembering) Accept() (net.Conn, error) {
	conn, err := r.Listener.Accept()
	if err == nil {
		r.conns.mu.Lock()
		defer r.conns.mu.Unlock()
		r.conns.all = append(r.conns.all, conn)
	}
	return conn, err
}

// count returns the number of accepted mails.
func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.received)
}
