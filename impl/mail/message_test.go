package mail

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
)

var (
	sentAt = time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC)
	from   = netmail.Address{Name: "Latchkey", Address: "auth@example.com"}
	anID   = uuid.MustParse("01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90")
)

func letter(to string) Letter {
	return Letter{Kind: LoginCode, ID: anID, To: to, Language: "en", At: sentAt}
}

// write returns the mail as it is sent.
func write(tb testing.TB, from netmail.Address, to string, c Content) (*netmail.Message, string) {
	tb.Helper()
	message, err := NewMessage(from, letter(to), c, sentAt)
	if err != nil {
		tb.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := message.WriteTo(&b); err != nil {
		tb.Fatal(err)
	}
	raw := b.String()
	read, err := netmail.ReadMessage(&b)
	if err != nil {
		tb.Fatal(err)
	}
	return read, raw
}

func TestMessage(t *testing.T) {
	t.Parallel()
	content, err := templates(t).Write(LoginCode, "de", example(t, LoginCode))
	if err != nil {
		t.Fatal(err)
	}
	mail, _ := write(t, from, "ada@Bücher.example", content)
	for name, want := range map[string]string{
		"From": `"Latchkey" <auth@example.com>`, "To": "<ada@xn--bcher-kva.example>", "Subject": "Dein Code: 90210347",
		"Message-Id": "<login_code." + anID.String() + "@example.com>", "Date": "Mon, 05 Jan 2026 09:30:00 +0000",
		"Auto-Submitted": "auto-generated", "Content-Language": "de",
		"X-Mailer": "", "User-Agent": "", // what is built in, and its version, is nobody's business
	} {
		if got := mail.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if diff := cmp.Diff(map[string]string{"text/plain": content.Text, "text/html": content.HTML}, parts(t, mail)); diff != "" {
		t.Errorf("the parts (-want +got):\n%s", diff)
	}
}

// parts returns the bodies of a mail by their types.
func parts(tb testing.TB, mail *netmail.Message) map[string]string {
	tb.Helper()
	kind, params, err := mime.ParseMediaType(mail.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		tb.Fatalf("%s, %v", kind, err)
	}
	found := map[string]string{}
	for reader := multipart.NewReader(mail.Body, params["boundary"]); ; {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			tb.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			tb.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		found[kind] = strings.ReplaceAll(string(body), "\r\n", "\n")
	}
}

// The domain of the sender is in ASCII in all headers.
func TestSendersDomain(t *testing.T) {
	t.Parallel()
	sender := netmail.Address{Name: "Ä", Address: "auth@Bücher.example"}
	mail, _ := write(t, sender, "ada@example.com", Content{Language: "en", Subject: "A", Text: "A\n", HTML: "<p>A"})
	for name, want := range map[string]string{
		"From":       "=?utf-8?q?=C3=84?= <auth@xn--bcher-kva.example>",
		"Message-Id": "<login_code." + anID.String() + "@xn--bcher-kva.example>",
	} {
		if got := mail.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// breaks are texts that would end a header or begin another one.
var breaks = []string{
	"\r\nBcc: eve@example.com", "\nBcc: eve@example.com", "\rBcc: eve@example.com", "\r\n\r\nBody", "\u2028Bcc: eve@example.com",
	"\u0085Bcc: eve@example.com", "\x00\r\n\tBcc: eve@example.com", "=?utf-8?q?=0D=0ABcc:_eve@example.com?=",
}

// No text of a client becomes a header.
func TestHeaderInjection(t *testing.T) {
	t.Parallel()
	all := templates(t)
	content, err := all.Write(LoginCode, "en", example(t, LoginCode))
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := write(t, from, "ada@example.com", content)
	want := headers(plain)
	for _, broken := range breaks {
		bad := content
		bad.Subject = "Code" + broken
		mail, raw := write(t, from, "ada@example.com", bad)
		if diff := cmp.Diff(want, headers(mail)); diff != "" || strings.Contains(raw, "\nBcc:") {
			t.Errorf("the subject %q (-want +got):\n%s", broken, diff)
		}
		mail, raw = write(t, netmail.Address{Name: "A" + broken, Address: from.Address}, "ada@example.com", content)
		if diff := cmp.Diff(want, headers(mail)); diff != "" || strings.Contains(raw, "\nBcc:") {
			t.Errorf("the name %q (-want +got):\n%s", broken, diff)
		}
		data := api.MailLoginCode{Username: "ada" + broken, Email: "ada@example.com" + broken, Code: "1" + broken, Link: &broken}
		odd, err := all.Write(LoginCode, "en"+broken, data)
		if err != nil {
			t.Fatal(err)
		}
		mail, raw = write(t, from, "ada@example.com", odd)
		if diff := cmp.Diff(want, headers(mail)); diff != "" || strings.Contains(strings.SplitN(raw, "\r\n\r\n", 2)[0], "\nBcc:") {
			t.Errorf("the data %q (-want +got):\n%s", broken, diff)
		}
		for _, address := range []string{"ada@example.com" + broken, "ada" + broken + "@example.com", broken + "ada@example.com"} {
			if _, err := NewMessage(from, letter(address), content, sentAt); !errors.Is(err, ErrAddress) {
				t.Errorf("the recipient %q: %v", address, err)
			}
			if _, err := NewMessage(netmail.Address{Address: address}, letter("ada@example.com"), content, sentAt); !errors.Is(err, ErrAddress) {
				t.Errorf("the sender %q: %v", address, err)
			}
		}
	}
	for _, address := range []string{
		"", "ada", "ada@", "@example.com", "ada@example.com,eve@example.com", "ada@example.com, eve@example.com", "Ada <ada@example.com>",
		"<ada@example.com>", "ada@example.com (Ada)", "ada;eve@example.com", `"ada eve"@example.com`, "ada @example.com", "ada@exa mple.com",
		"all:ada@example.com;",
	} {
		if _, err := NewMessage(from, letter(address), content, sentAt); !errors.Is(err, ErrAddress) {
			t.Errorf("the recipient %q: %v", address, err)
		}
	}
}

// headers returns the names of a mail's headers, and how often each stands there.
func headers(mail *netmail.Message) []string {
	var names []string
	for name, values := range mail.Header {
		for range values {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// A text of a client is text in the page, and no markup.
func TestHTMLIsEscaped(t *testing.T) {
	t.Parallel()
	content, err := templates(t).Write(NewDevice, "en", api.MailNewDevice{UserAgent: `<img src="https://a.example">`})
	if err != nil || loads(content.HTML) != 0 || !strings.Contains(content.HTML, "&lt;img") {
		t.Errorf("%v: %s", err, content.HTML)
	}
	bad := "javascript:alert(1)"
	content, err = templates(t).Write(LoginCode, "en", api.MailLoginCode{Link: &bad})
	if err != nil || strings.Contains(content.HTML, `href="javascript:`) {
		t.Errorf("%v: %s", err, content.HTML)
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://example.com":       "https://example.com/account#login_code=abc",
		"https://example.com/auth/": "https://example.com/auth/account#login_code=abc",
	} {
		if got := Link(url, "/account", LoginCode, "abc"); got == nil || *got != want {
			t.Errorf("%s: got %v, want %s", url, got, want)
		}
	}
	for _, url := range []string{"", "https://auth.example.com"} {
		got := Link(url, "https://app.example.com/account", LoginCode, "abc")
		if want := "https://app.example.com/account#login_code=abc"; got == nil || *got != want {
			t.Errorf("a page of another origin: got %v, want %s", got, want)
		}
	}
	if got := Link("", "/account", LoginCode, "abc"); got != nil {
		t.Errorf("without a public URL: %s", *got)
	}
}
