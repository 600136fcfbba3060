package mail

import (
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/net/idna"
)

// Message is a mail that is ready to be sent.
type Message struct {
	Letter Letter
	msg    *gomail.Msg
}

// ErrAddress means that an address can't stand in a mail. Its mail is not tried again.
var ErrAddress = errors.New("mail: not an address")

// NewMessage returns the mail of a letter, with both forms of its text. It fails with an
// [ErrAddress] if one of the addresses would not be exactly one address in a header.
func NewMessage(from netmail.Address, l Letter, c Content, now time.Time) (*Message, error) {
	to, err := recipient(l.To)
	if err != nil {
		return nil, err
	}
	if from.Address, err = recipient(from.Address); err != nil {
		return nil, err
	}
	from.Name = oneLine(from.Name)
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&from)
	msg.ToMailAddress(&netmail.Address{Address: to})
	msg.Subject(oneLine(c.Subject))
	msg.SetDateWithValue(now)
	_, domain, _ := strings.Cut(from.Address, "@")
	// A mail that is sent twice, after a crash, has the same Message-ID twice.
	msg.SetMessageIDWithValue(fmt.Sprintf("%s.%s@%s", l.Kind, l.ID, domain))
	msg.SetGenHeader("Content-Language", c.Language)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no "I am on holiday" comes back
	msg.SetBodyString(gomail.TypeTextPlain, c.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, c.HTML)
	return &Message{Letter: l, msg: msg}, nil
}

// WriteTo writes the mail in the form of RFC 5322.
func (m *Message) WriteTo(w io.Writer) (int64, error) { return m.msg.WriteTo(w) }

// CheckAddress fails with an [ErrAddress] if an address can't stand in a mail.
func CheckAddress(address string) error {
	_, err := recipient(address)
	return err
}

// recipient returns an address as it is written in a header, with its domain in ASCII. It refuses a
// text that net/mail doesn't read as exactly this address, so that an address can't add a recipient
// or a header.
func recipient(address string) (string, error) {
	parsed, err := netmail.ParseAddress(address)
	if err != nil || parsed.Address != address || parsed.Name != "" || oneLine(address) != address ||
		strings.ContainsAny(address, " <>,;") {
		return "", ErrAddress
	}
	at := strings.LastIndexByte(address, '@')
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil {
		return "", ErrAddress
	}
	return address[:at+1] + domain, nil
}
