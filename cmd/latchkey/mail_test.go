package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/mail"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// askReset asks for a code to set a new password.
func askReset(server, email string) (answer, error) {
	return do("POST", server+"/api/users/password-resets/", "application/json", "", `{"email":"`+email+`"}`)
}

// getDev requests a page that is no part of the contract.
func getDev(t *testing.T, target string) (answer, error) {
	t.Helper()
	res, err := client.Get(target)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(text)}, err
}

// serve --dev shows the mail of a flow with its code and link. The log names the mail's file, and
// has neither.
func TestServeDev(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	p, err := launch(dir, onDatabase(postgrestest.New(t),
		"LATCHKEY_DATA_DIR="+dir+"/data", "LATCHKEY_PUBLIC_URL=http://localhost:8000"), []string{"serve", "--dev"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t) })
	server, err := p.awaitURL()
	if err != nil {
		t.Fatal(err)
	}
	if a, err := register(server, "ada@example.com", "ada", "correct-horse-battery"); a.status != 201 || err != nil {
		t.Fatalf("registration: %d, %v", a.status, err)
	}
	if a, err := getDev(t, server+"/dev/mails.json"); a.status != 200 || err != nil || strings.Join(strings.Fields(a.body), "") != `{"mails":[]}` {
		t.Errorf("before the first mail: %d %s, %v", a.status, a.body, err)
	}
	if a, err := askReset(server, "ada@example.com"); a.status != 202 || err != nil {
		t.Fatalf("request: %d, %v", a.status, err)
	}
	var list struct{ Mails []mail.Written }
	if err := eventually("the mail is written", func() bool {
		a, err := getDev(t, server+"/dev/mails.json")
		if err != nil || a.status != 200 || json.Unmarshal([]byte(a.body), &list) != nil {
			t.Errorf("the list: %d %s, %v", a.status, a.body, err)
			return true
		}
		return len(list.Mails) > 0
	}); err != nil || len(list.Mails) != 1 {
		t.Fatalf("%d mails, %v", len(list.Mails), err)
	}
	m := list.Mails[0]
	if m.Kind != mail.ResetPassword || m.To != "ada@example.com" || len(m.Code) != 8 ||
		!strings.HasPrefix(m.Link, "http://localhost:8000/account#reset_password=lkl_") {
		t.Errorf("got %+v", m)
	}
	for _, path := range []string{"/dev/mails/", "/dev/mails/" + m.Name} {
		if a, err := getDev(t, server+path); a.status != 200 || err != nil || !strings.Contains(a.body, m.Code) {
			t.Errorf("%s: %d %s, %v", path, a.status, a.body, err)
		}
	}
	file := filepath.Join(dir, "data", "mails", m.Name+".eml")
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	p.stop(t)
	if !strings.Contains(p.stdout.String(), " · mails "+server+"/dev/mails/ · ") {
		t.Errorf("the start line is %s", p.stdout)
	}
	log := p.stderr.String()
	if !strings.Contains(log, file) || !strings.Contains(log, "--dev: every program") || strings.Contains(log, "not sent") {
		t.Errorf("the log is %s", log)
	}
	_, token, _ := strings.Cut(m.Link, "lkl_")
	if strings.Contains(log, m.Code) || strings.Contains(log, token) {
		t.Errorf("the log has the code or the link: %s", log)
	}
}

// The log warns that mails are not sent, if users may come from elsewhere.
func TestUnsentMailsAreWarnedOf(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		environ []string
		want    bool
	}{
		"this machine":                         {nil, false},
		"this machine by name":                 {[]string{"LATCHKEY_ADDR=localhost:8000", "LATCHKEY_PUBLIC_URL=http://localhost:5173/auth"}, false},
		"all addresses":                        {[]string{"LATCHKEY_ADDR=:8000"}, true},
		"a proxy in front":                     {[]string{"LATCHKEY_PUBLIC_URL=https://auth.example.com"}, true},
		"a proxy in front, and a mail server":  {[]string{"LATCHKEY_PUBLIC_URL=https://auth.example.com", "LATCHKEY_SMTP_URL=smtp://localhost", "LATCHKEY_MAIL_FROM=a@example.com"}, false},
		"all addresses, and a server of mails": {[]string{"LATCHKEY_ADDR=0.0.0.0:8000", "LATCHKEY_SMTP_URL=smtp://localhost", "LATCHKEY_MAIL_FROM=a@example.com"}, false},
	} {
		s, err := loadSettings(row.environ)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		warnOfUnsent(s, newLogger(&log, "text", s.logLevel()))
		if got := strings.Contains(log.String(), "level=WARN"); got != row.want {
			t.Errorf("%s: warned is %v, want %v: %s", name, got, row.want, &log)
		}
	}
}

// The preview of each mail in each language is a whole mail in that language.
func TestPreview(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, language := range []string{"en", "de"} {
		for _, kind := range mail.Kinds() {
			out, err := runHere("mail", "preview", string(kind), "--language", language)
			if err != nil {
				t.Fatalf("%s %s: %v", kind, language, err)
			}
			message, err := netmail.ReadMessage(strings.NewReader(out))
			if err != nil {
				t.Fatalf("%s %s: %v", kind, language, err)
			}
			subject := message.Header.Get("Subject")
			if other, isDouble := seen[subject]; isDouble || subject == "" {
				t.Errorf("%s %s: the subject %q is that of %s", kind, language, subject, other)
			}
			seen[subject] = string(kind) + " " + language
			for name, want := range map[string]string{
				"Content-Language": language, "From": `"Latchkey" <latchkey@localhost>`, "To": "<ada@example.com>", "Auto-Submitted": "auto-generated",
			} {
				if got := message.Header.Get(name); got != want {
					t.Errorf("%s %s: %s is %q, want %q", kind, language, name, got, want)
				}
			}
		}
	}
}

// The queue is polled behind a pooler, and listens otherwise.
func TestPollOnly(t *testing.T) {
	t.Parallel()
	for pooler, want := range map[string]bool{"transaction": true, "off": false} {
		s, err := loadSettings([]string{"LATCHKEY_DATABASE_POOLER=" + pooler})
		if err != nil {
			t.Fatal(err)
		}
		m, err := mailConfig(s, slog.New(slog.DiscardHandler))
		if err != nil || m.PollOnly != want {
			t.Errorf("%s: PollOnly is %v, want %v (%v)", pooler, m.PollOnly, want, err)
		}
	}
}
