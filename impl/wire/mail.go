package wire

import (
	"context"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/auth/ratelimit"
	"github.com/latchkey-auth/latchkey/impl/mail"
)

// Mail is what mails are made of and sent by.
type Mail struct {
	Templates *mail.Templates
	Sender    mail.Sender
	From      netmail.Address
	Logger    *slog.Logger
	// PollOnly is for a database behind a connection pooler.
	PollOnly bool
	// PublicURL and LinkPath are where the links lead to. Without a public URL there are none.
	PublicURL, LinkPath string
}

// mailQueue returns the queue of mails, nil without [Config.Mail].
func (c Config) mailQueue(service *auth.Service, limiter *ratelimit.Limiter) (*mail.Queue, error) {
	if c.Mail == nil {
		return nil, nil
	}
	data := func(ctx context.Context, l mail.Letter) (any, bool, error) {
		said, ok, err := service.MailData(ctx, auth.Letter{
			Kind: auth.LetterKind(l.Kind), ID: l.ID, To: l.To, Language: l.Language, At: l.At,
		})
		if err != nil || !ok {
			return nil, false, err
		}
		return c.Mail.data(l, said, c.Now())
	}
	return mail.New(mail.Options{
		Pool: c.Pool, Templates: c.Mail.Templates, Sender: c.Mail.Sender, From: c.Mail.From, Data: data,
		Logger: c.Mail.Logger, Now: c.Now, PollOnly: c.Mail.PollOnly,
		Allow: func(ctx context.Context, to string, kind mail.Kind) (time.Duration, error) {
			// Two forms of one address share a budget.
			if key, err := account.CanonicalEmail(to); err == nil {
				to = key
			}
			return limiter.Mail(ctx, to, string(kind))
		},
	})
}

// enqueueIn returns what enqueues letters in a queue that is made later.
func (c Config) enqueueIn(queue **mail.Queue) auth.Enqueue {
	if c.Mail == nil {
		return c.Enqueue
	}
	return func(ctx context.Context, tx pgx.Tx, l auth.Letter) error {
		if c.Enqueue != nil {
			if err := c.Enqueue(ctx, tx, l); err != nil {
				return err
			}
		}
		return enqueue(*queue)(ctx, tx, l)
	}
}

// enqueue returns what enqueues letters in a queue.
func enqueue(queue *mail.Queue) auth.Enqueue {
	return func(ctx context.Context, tx pgx.Tx, l auth.Letter) error {
		return queue.Enqueue(ctx, tx, mail.Letter{
			Kind: mail.Kind(l.Kind), ID: l.ID, To: l.To, Language: l.Language, At: l.At,
		})
	}
}

// data returns what a letter says, as the contract has it.
func (m *Mail) data(l mail.Letter, said any, now time.Time) (any, bool, error) {
	switch said := said.(type) {
	case auth.Notice:
		switch l.Kind {
		case mail.AccountDeleted:
			return api.MailAccountDeleted{Email: said.Email, At: said.At}, true, nil
		case mail.CompleteRegistration:
			return api.MailEmailTaken{Email: said.Email, At: said.At}, true, nil
		}
		return api.MailPasswordChanged{Email: said.Email, At: said.At}, true, nil
	case auth.LoginNotice:
		return api.MailNewDevice{
			Username: said.Username, Email: said.Email, At: said.At, Address: said.Address, UserAgent: said.UserAgent,
		}, true, nil
	case auth.CodeMail:
		switch l.Kind {
		case mail.EmailChanged:
			return m.emailChanged(said), true, nil
		case mail.Invitation:
			return m.invitation(said, mail.Invitation), true, nil
		case mail.OperatorReset:
			// A page that takes the link of a reset by the user takes this one too.
			return api.MailOperatorReset(m.invitation(said, mail.ResetPassword)), true, nil
		}
		code := api.MailVerifyEmail{
			Username: said.Username, Email: said.Email, Code: said.Code.Reveal(),
			Link:             mail.Link(m.PublicURL, m.LinkPath, l.Kind, said.Link.Reveal()),
			ExpiresInMinutes: max(1, int(said.CodeEndsAt.Sub(now).Round(time.Minute)/time.Minute)),
		}
		switch l.Kind {
		case mail.VerifyEmail:
			return code, true, nil
		case mail.ResetPassword:
			return api.MailResetPassword(code), true, nil
		case mail.LoginCode:
			return api.MailLoginCode(code), true, nil
		case mail.ChangeEmail:
			return api.MailChangeEmail(code), true, nil
		case mail.ContinueLogin:
			return api.MailContinueLogin(code), true, nil
		case mail.CompleteRegistration:
			return api.MailCompleteRegistration{
				Email: code.Email, Code: code.Code, Link: code.Link, ExpiresInMinutes: code.ExpiresInMinutes,
			}, true, nil
		}
	}
	return nil, false, fmt.Errorf("wire: nothing makes the mail %q of a %T", l.Kind, said)
}

func (m *Mail) emailChanged(said auth.CodeMail) api.MailEmailChanged {
	token := said.Link.Reveal()
	return api.MailEmailChanged{
		Username: said.Username, Email: said.Email, NewEmail: said.NewEmail, At: said.At, ExpiresAt: said.LinkEndsAt,
		Token: token, Link: mail.Link(m.PublicURL, m.LinkPath, mail.EmailChanged, token),
	}
}

// invitation returns the data of a mail whose token alone sets a password. kind is that of its
// link.
func (m *Mail) invitation(said auth.CodeMail, kind mail.Kind) api.MailInvitation {
	token := said.Link.Reveal()
	return api.MailInvitation{
		Username: said.Username, Email: said.Email, ExpiresAt: said.LinkEndsAt,
		Token: token, Link: mail.Link(m.PublicURL, m.LinkPath, kind, token),
	}
}
