package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/latchkey-auth/latchkey/impl/secret"
)

// Sender delivers mails. It is safe for concurrent use.
type Sender interface {
	// Send fails with an [ErrRefused] if another attempt would be of no use.
	Send(ctx context.Context, m *Message) error
}

// ErrRefused means that the server takes no mail for this recipient.
var ErrRefused = errors.New("mail: the recipient was refused")

// ErrURL means that an address of an SMTP server can't be read. The address is not repeated, since
// it holds a password.
var ErrURL = errors.New("must be smtp://user:password@host:port or smtps://user:password@host:port, " +
	"with special characters percent-encoded")

// smtpTimeout bounds each of connecting and sending.
const smtpTimeout = 20 * time.Second

// SMTP sends mails by a server.
type SMTP struct{ client *gomail.Client }

// NewSMTP returns a sender for an address such as `smtp://user:password@host:587`, which demands
// STARTTLS, or `smtps://host:465`, which uses TLS from the beginning. Only a server on this machine
// may go without TLS. It fails with an [ErrURL].
func NewSMTP(address secret.Text) (*SMTP, error) { return newSMTP(address, smtpTimeout) }

func newSMTP(address secret.Text, timeout time.Duration, more ...gomail.Option) (*SMTP, error) {
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" || u.Path != "" && u.Path != "/" ||
		u.RawQuery != "" || u.Fragment != "" {
		return nil, ErrURL
	}
	isImplicit, isLocal := u.Scheme == "smtps", isLocalHost(u.Hostname())
	port := map[bool]int{false: 587, true: 465}[isImplicit]
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 {
			return nil, ErrURL
		}
	}
	options := []gomail.Option{
		gomail.WithTimeout(timeout), gomail.WithPort(port), gomail.WithoutNoop(),
		gomail.WithTLSConfig(&tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}),
	}
	switch {
	case isImplicit:
		options = append(options, gomail.WithSSL())
	case isLocal:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		auth := gomail.SMTPAuthAutoDiscover
		if isLocal && !isImplicit {
			auth = gomail.SMTPAuthPlainNoEnc // the others are for what is encrypted
		}
		options = append(options,
			gomail.WithSMTPAuth(auth), gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	client, err := gomail.NewClient(u.Hostname(), append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return &SMTP{client}, nil
}

// isLocalHost reports whether a host is this machine.
func isLocalHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send sends a mail over a connection of its own. The connection is closed when ctx ends.
func (s *SMTP) Send(ctx context.Context, m *Message) error {
	connection, err := s.client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("mail: connect: %w", err)
	}
	// Close of the connection itself would wait for the answer that is being read.
	stop := context.AfterFunc(ctx, func() { _ = connection.Text.Close() })
	defer stop()
	err = s.client.SendWithSMTPClient(connection, m.msg)
	// The server has taken the mail, or it has not. What it says to RSET and QUIT changes neither,
	// and a second mail would be one too many.
	_ = s.client.CloseWithSMTPClient(connection)
	var failed *gomail.SendError
	switch {
	case err == nil || m.msg.IsDelivered():
		return nil
	case errors.As(err, &failed) && failed.Reason == gomail.ErrSMTPRcptTo && failed.ErrorCode()/100 == 5:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case errors.As(err, &failed) && failed.Reason == gomail.ErrSMTPDataClose:
		// The server has seen the mail, and may repeat a link that it doesn't like. River would
		// store it.
		return fmt.Errorf("mail: send: %s: the server answered %d", failed.Reason, failed.ErrorCode())
	}
	return fmt.Errorf("mail: send: %w", err)
}

// failure returns why a mail wasn't sent, for the log. It omits the words of the mail server, which
// may repeat the address or the mail.
func failure(err error) string {
	var (
		failed *gomail.SendError
		reply  *textproto.Error
	)
	switch {
	case errors.As(err, &failed):
		return fmt.Sprintf("mail: send: %s: the server answered %d", failed.Reason, failed.ErrorCode())
	case errors.As(err, &reply):
		return fmt.Sprintf("mail: connect: the server answered %d", reply.Code)
	}
	return err.Error()
}
