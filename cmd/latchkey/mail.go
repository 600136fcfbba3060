package main

import (
	"errors"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

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
		m.Sender = mail.NewFolder(filepath.Join(s.DataDir, "mails"), logger)
		return m, nil
	}
	if m.Sender, err = mail.NewSMTP(s.SMTPURL); err != nil {
		return nil, usageError{fmt.Errorf("LATCHKEY_SMTP_URL %w", err)}
	}
	return m, nil
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
		Short: "Look at the mails of the service",
		Args:  cobra.NoArgs,
		RunE:  r.begin(func(cmd *cobra.Command, _ []string) error { return cmd.Help() }),
	}
	var language, output string
	preview := &cobra.Command{
		Use:   "preview NAME",
		Short: "Write a mail with the contract's example",
		Long:  "Write a mail with the contract's example, in the form of an .eml file. The names are " + mailNames() + ".",
		Args:  cobra.ExactArgs(1),
		RunE: r.begin(func(_ *cobra.Command, args []string) error {
			return r.previewMail(mail.Kind(args[0]), language, output)
		}),
	}
	preview.Flags().StringVar(&language, "language", "en", "language of the mail, such as de")
	preview.Flags().StringVar(&output, "output", "", "file to write; the standard output if empty")
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
		_, err = message.WriteTo(r.out)
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
	if err != nil {
		return fmt.Sprintf("is %q, must be an address such as Example <auth@example.com>", s.MailFrom)
	}
	if !s.SMTPURL.IsZero() && strings.HasSuffix(from.Address, "@localhost") {
		return fmt.Sprintf("is %q, must be an address of yours, because LATCHKEY_SMTP_URL is set", s.MailFrom)
	}
	return ""
}

func checkLinkPath(path string) string {
	isOdd := func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsFunc(path, isOdd) {
		return fmt.Sprintf("is %q, must be a path such as /account, without a fragment", path)
	}
	return ""
}
