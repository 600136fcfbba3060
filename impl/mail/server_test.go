package mail

import (
	"bytes"
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
	// change may refuse or delay a command: "MAIL", "RCPT", "DATA" or "DONE", which is before the
	// server says that it has taken a mail.
	change func(command, argument string) error

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
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ln) // it ends with Close
	}()
	tb.Cleanup(func() {
		_ = s.Close()
		<-done
	})
}

// mails returns the mails that were taken.
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

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { return nil }

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}
