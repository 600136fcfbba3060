package mail

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	gomail "github.com/wneessen/go-mail"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// certificate returns a certificate for the name mail.example and for 127.0.0.1, and a pool that
// trusts it.
func certificate(tb testing.TB) (tls.Certificate, *x509.CertPool) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	unsigned := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"mail.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, unsigned, unsigned, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AddCert(signed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, trust
}

// A server on another machine gets nothing without TLS, only the named host gets a mail, and no
// password is sent before TLS.
func TestTLSIsDemanded(t *testing.T) {
	t.Parallel()
	cert, trust := certificate(t)
	for name, test := range map[string]struct {
		url                string
		hasTLS, isImplicit bool
		trust              *x509.CertPool
		want               string // of the error
	}{
		"no STARTTLS":              {url: "smtp://ada:canary@mail.example:PORT", want: "STARTTLS"},
		"STARTTLS":                 {url: "smtp://ada:canary@mail.example:PORT", hasTLS: true, trust: trust},
		"STARTTLS, another's name": {url: "smtp://ada:canary@other.example:PORT", hasTLS: true, trust: trust, want: "certificate"},
		"STARTTLS, not trusted":    {url: "smtp://ada:canary@mail.example:PORT", hasTLS: true, trust: x509.NewCertPool(), want: "certificate"},
		"TLS":                      {url: "smtps://ada:canary@127.0.0.1:PORT", isImplicit: true, trust: trust},
		"TLS, not trusted":         {url: "smtps://ada:canary@127.0.0.1:PORT", isImplicit: true, trust: x509.NewCertPool(), want: "certificate"},
		"TLS to a server without":  {url: "smtps://ada:canary@127.0.0.1:PORT", trust: trust, want: "tls"},
		"local":                    {url: "smtp://ada:canary@127.0.0.1:PORT"},
		"a wrong password":         {url: "smtp://ada:wrong@127.0.0.1:PORT", want: "AUTH failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &server{passwords: make(chan string, 1), isImplicit: test.isImplicit, password: "canary"}
			config := &tls.Config{Certificates: []tls.Certificate{cert}}
			s.make(t, config, test.hasTLS || test.isImplicit)
			host, port, _ := net.SplitHostPort(s.addr)
			var more []gomail.Option
			if !test.isImplicit && strings.Contains(test.url, ".example") {
				more = append(more, gomail.WithDialContextFunc(func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(host, port))
				}))
			}
			if test.trust != nil {
				name := strings.Split(strings.Split(test.url, "@")[1], ":")[0]
				more = append(more, gomail.WithTLSConfig(&tls.Config{ServerName: name, RootCAs: test.trust, MinVersion: tls.VersionTLS12}))
			}
			client, err := newSMTP(secret.New(strings.Replace(test.url, "PORT", port, 1)), smtpTimeout, more...)
			if err != nil {
				t.Fatal(err)
			}
			content, err := templates(t).Write(LoginCode, "en", example(t, LoginCode))
			if err != nil {
				t.Fatal(err)
			}
			message, err := NewMessage(from, letter("ada@example.com"), content, sentAt)
			if err != nil {
				t.Fatal(err)
			}
			err = client.Send(t.Context(), message)
			if test.want == "" {
				if err != nil || len(s.mails()) != 1 || <-s.passwords != "canary" {
					t.Errorf("%v, %d mails", err, len(s.mails()))
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary") || len(s.mails()) != 0 {
				t.Errorf("got %v, want %s; %d mails arrived", err, test.want, len(s.mails()))
			}
			if len(s.passwords) != 0 && test.want != "AUTH failed" {
				t.Error("the password was sent")
			}
		})
	}
}

// The address of a server is never repeated, because it holds a password.
func TestAddressesOfServers(t *testing.T) {
	t.Parallel()
	for text, isGood := range map[string]bool{
		"smtp://mail.example": true, "smtps://mail.example": true, "smtp://ada:p%40ss@mail.example:2525": true, "smtp://[::1]:25": true,
		"smtp://mail.example/": true, "": false, "mail.example": false, "mail.example:587": false, "http://mail.example": false, "smtp://": false,
		"smtp://ada:canary@mail.example:0": false, "smtp://ada:canary@mail.example:65536": false, "smtp://ada:canary@mail.example:port": false,
		"smtp://ada:can%zzary@mail.example": false, "smtp://ada:canary@mail.example/path": false, "smtp://ada:canary@mail.example?tls=no": false,
		"smtp://ada:canary@mail.example#a": false,
	} {
		_, err := NewSMTP(secret.New(text))
		if isGood != (err == nil) || err != nil && (!errors.Is(err, ErrURL) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// make starts a server with a certificate. It takes one password.
func (s *server) make(tb testing.TB, config *tls.Config, hasTLS bool) {
	tb.Helper()
	s.Server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &authenticated{session{server: s}}, nil }))
	s.Domain, s.ErrorLog, s.AllowInsecureAuth = "mail.example", discard{}, !hasTLS
	if hasTLS {
		s.TLSConfig = config
	}
	s.serve(tb)
}

// authenticated is a session that wants a password.
type authenticated struct{ session }

func (*authenticated) AuthMechanisms() []string { return []string{sasl.Plain} }

func (a *authenticated) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, password string) error {
		a.server.passwords <- password
		if password != a.server.password {
			return errors.New("no")
		}
		return nil
	}), nil
}
