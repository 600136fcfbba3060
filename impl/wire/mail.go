package wire

import (
	"context"
	"errors"
	"log/slog"
	netmail "net/mail"
	"time"

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
	// Data replaces the service's data in tests.
	Data mail.Data
}

// errNoMail is the error of a letter that no use case has enqueued.
var errNoMail = errors.New("wire: no use case has data for this mail")

// mailQueue returns the queue of mails, nil without [Config.Mail].
func (c Config) mailQueue(limiter *ratelimit.Limiter) (*mail.Queue, error) {
	if c.Mail == nil {
		return nil, nil
	}
	data := c.Mail.Data
	if data == nil {
		data = func(context.Context, mail.Letter) (any, bool, error) { return nil, false, errNoMail }
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
