package impltest

import (
	"context"
	"log/slog"
	netmail "net/mail"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/mail"
	"github.com/latchkey-auth/latchkey/impl/wire"
)

// Mailbox collects all letters that the service enqueues. A letter stays in it even if its
// transaction was rolled back or its challenge has ended. [Harness.Mails] leaves those out, as the
// sender of mails does.
type Mailbox struct {
	mu      sync.Mutex
	letters []auth.Letter
}

func (m *Mailbox) enqueue(_ context.Context, _ pgx.Tx, l auth.Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = append(m.letters, l)
	return nil
}

// mail returns what the mails are written by, nil without a folder for them.
func (o Options) mail(tb testing.TB, logger *slog.Logger) *wire.Mail {
	tb.Helper()
	if o.Mails == "" {
		return nil
	}
	templates, err := mail.LoadTemplates("")
	must(tb, err)
	return &wire.Mail{
		Templates: templates, Sender: mail.NewFolder(o.Mails, logger), Logger: logger,
		From:      netmail.Address{Name: "Latchkey", Address: "latchkey@localhost"},
		PublicURL: "https://app.example.com", LinkPath: "/account",
	}
}

// Letters returns all letters, the oldest first, also those that are never sent.
func (m *Mailbox) Letters() []auth.Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.letters)
}

// Mails returns the data of the letters to an address that would be sent now, the oldest first.
func (h *Harness) Mails(tb testing.TB, to string) (all []any) {
	tb.Helper()
	for _, l := range h.Mailbox.Letters() {
		if l.To != to {
			continue
		}
		data, ok, err := h.Auth.MailData(tb.Context(), l)
		must(tb, err)
		if ok {
			all = append(all, data)
		}
	}
	return all
}

// CodeMail returns the newest mail with a code to an address that would be sent now. The test fails
// if there is none.
func (h *Harness) CodeMail(tb testing.TB, to string) auth.CodeMail {
	tb.Helper()
	for _, data := range slices.Backward(h.Mails(tb, to)) {
		if mail, ok := data.(auth.CodeMail); ok {
			return mail
		}
	}
	tb.Fatalf("there is no mail with a code to %s", to)
	return auth.CodeMail{}
}
