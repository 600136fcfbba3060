package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	netmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl/devmail"
	"github.com/latchkey-auth/latchkey/impl/mail"
	"github.com/latchkey-auth/latchkey/impl/secret"
	"github.com/latchkey-auth/latchkey/impl/wire"
)

// mailConfig returns what the service's mails are made of and sent by.
func mailConfig(s settings, logger *slog.Logger) (*wire.Mail, error) {
	templates, from, err := mailTexts(s)
	if err != nil {
		return nil, err
	}
	m := &wire.Mail{
		Templates: templates, From: from, Logger: logger, PollOnly: s.DatabasePooler == "transaction",
		PublicURL: s.PublicURL, LinkPath: s.MailLinkPath,
	}
	if s.SMTPURL.IsZero() {
		m.Sender = mailFolder(s, logger)
		return m, nil
	}
	if m.Sender, err = mail.NewSMTP(s.SMTPURL); err != nil {
		return nil, usageError{fmt.Errorf("LATCHKEY_SMTP_URL %w", err)}
	}
	return m, nil
}

// mailFolder returns what writes mails to files where no server sends them.
func mailFolder(s settings, logger *slog.Logger) *mail.Folder {
	return mail.NewFolder(filepath.Join(s.DataDir, "mails"), logger)
}

// warnOfUnsent logs that no user gets a mail, where users come from elsewhere than this machine.
func warnOfUnsent(s settings, logger *slog.Logger) {
	if s.SMTPURL.IsZero() && (!isLoopback(s.Addr) || !isLocalURL(s.PublicURL)) {
		logger.Warn("mails are written to files and not sent, because LATCHKEY_SMTP_URL is not set")
	}
}

// devMails returns the handler that shows the mails for `serve --dev`, nil without it. The mails
// have the codes of every account, so devMails fails if another machine could reach them.
func devMails(
	s settings, dev bool, addr net.Addr, logger *slog.Logger,
) (func(http.ResponseWriter, *http.Request) error, error) {
	if !dev {
		return nil, nil
	}
	tcp, isTCP := addr.(*net.TCPAddr)
	switch {
	case !isTCP || !tcp.IP.IsLoopback():
		return nil, usageError{fmt.Errorf("--dev shows the codes in mails, so LATCHKEY_ADDR must be "+
			"a loopback address such as 127.0.0.1:8000, and is %q", s.Addr)}
	case !isLocalURL(s.PublicURL):
		return nil, usageError{fmt.Errorf("--dev shows the codes in mails, so LATCHKEY_PUBLIC_URL must be "+
			"an address of this machine such as http://localhost:8000, and is %q", s.PublicURL)}
	case !s.SMTPURL.IsZero():
		return nil, usageError{errors.New("--dev shows mails that are written to files, " +
			"and none is, because LATCHKEY_SMTP_URL is set")}
	}
	logger.Warn("--dev: every program on this machine can read the codes in mails", "path", devmail.Path)
	return devmail.New(mailFolder(s, logger)).Serve, nil
}

// isLocalURL reports whether a public URL, which was checked before, leads to this machine. An
// empty one is where requests come from.
func isLocalURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (text == "" || isLoopback(net.JoinHostPort(u.Hostname(), "0")))
}

// mailTexts returns the templates and the sender of the mails.
func mailTexts(s settings) (*mail.Templates, netmail.Address, error) {
	templates, err := mail.LoadTemplates(s.MailDir)
	if err != nil {
		return nil, netmail.Address{}, usageError{fmt.Errorf("LATCHKEY_MAIL_DIR: %w", err)}
	}
	from, err := netmail.ParseAddress(s.MailFrom)
	if err != nil {
		return nil, netmail.Address{}, usageError{errors.New("LATCHKEY_MAIL_FROM is no address")}
	}
	return templates, *from, nil
}

func (r *root) mailCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mail",
		Short: "Preview the mails that the service sends",
	}
	var language, output string
	preview := &cobra.Command{
		Use:   "preview NAME",
		Short: "Print a mail that is filled with example data",
		Long: "Print a mail that is filled with example data, as an .eml file. Nothing is sent. NAME is one of\n" +
			mailNames() + ".",
		Args: oneArg("the name of a mail: " + mailNames()),
		RunE: func(_ *cobra.Command, args []string) error {
			return r.previewMail(mail.Kind(args[0]), language, output)
		},
	}
	preview.Flags().StringVar(&language, "language", "en", "language of the mail, such as de; en if it has no texts")
	preview.Flags().StringVar(&output, "output", "", "file to write instead of the standard output")
	cmd.AddCommand(preview)
	return cmd
}

func mailNames() string {
	var names []string
	for _, kind := range mail.Kinds() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

func (r *root) previewMail(kind mail.Kind, language, output string) (err error) {
	s, err := loadSettings(r.environ)
	if err != nil {
		return err
	}
	data, err := mail.Example(kind)
	if err != nil {
		return usageError{fmt.Errorf("%q is no mail, must be one of %s", kind, mailNames())}
	}
	templates, from, err := mailTexts(s)
	if err != nil {
		return err
	}
	content, err := templates.Write(kind, language, data)
	if err != nil {
		return err
	}
	now := time.Now()
	message, err := mail.NewMessage(from, mail.Letter{Kind: kind, To: "ada@example.com", At: now}, content, now)
	if err != nil {
		return err
	}
	if output == "" {
		_, err = message.WriteTo(r.raw)
		return err
	}
	file, err := os.Create(output)
	if err != nil {
		return err
	}
	_, err = message.WriteTo(file)
	return errors.Join(err, file.Close())
}

// checkSMTPURL never repeats the address, because it contains the password.
func checkSMTPURL(address secret.Text) string {
	if address.IsZero() {
		return ""
	}
	if _, err := mail.NewSMTP(address); err != nil {
		return err.Error()
	}
	return ""
}

func checkMailFrom(s settings) string {
	from, err := netmail.ParseAddress(s.MailFrom)
	if err != nil || mail.CheckAddress(from.Address) != nil {
		return fmt.Sprintf("is %q, must be an address such as Example <auth@example.com>", s.MailFrom)
	}
	if !s.SMTPURL.IsZero() && strings.HasSuffix(from.Address, "@localhost") {
		return fmt.Sprintf("is %q, must be an address of yours, because LATCHKEY_SMTP_URL is set", s.MailFrom)
	}
	return ""
}

// checkLinkPath refuses what is neither a path nor the address of a page.
func checkLinkPath(page string) string {
	isOdd := func(r rune) bool { return isNotPrintableASCII(r) || r == '#' }
	u, err := url.Parse(page)
	isPath := strings.HasPrefix(page, "/") && !strings.HasPrefix(page, "//")
	isAddress := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil
	if !isPath && !isAddress || strings.ContainsFunc(page, isOdd) {
		return fmt.Sprintf("is %q, must be a path such as /account, or an address such as "+
			"https://app.example.com/account, without a fragment", page)
	}
	return ""
}
