package main

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// An email is changed, and the change is undone, by what the mails say.
func TestEmailChangeByMail(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	data := filepath.Join(dir, "data")
	environ := onDatabase(postgrestest.NewEmpty(t), "LATCHKEY_DATA_DIR="+data, "LATCHKEY_PUBLIC_URL=https://app.example.com")
	_, server := serve(t, dir, environ)
	a, err := register(server, "ada@example.com", "ada", impltest.Password)
	if err != nil || a.status != http.StatusCreated {
		t.Fatalf("%v %v", a, err)
	}
	token := grantOf(a).access
	post := func(path, token, body string, want int) {
		t.Helper()
		a, err := do("POST", server+path, jsonType, token, body)
		if err != nil || a.status != want {
			t.Fatalf("%s: %v %v", path, a, err)
		}
	}
	post(impltest.RequestEmailChangePath, token, `{"email":"ada@example.org"}`, http.StatusAccepted)
	code := fromMail(t, data, "change_email", "ada@example.org", `\b[0-9]{8}\b`)
	post(impltest.ConfirmEmailChangePath, token, `{"code":"`+code+`"}`, http.StatusNoContent)
	const link = `https://app\.example\.com/account#email_changed=(lkl_[A-Za-z0-9_-]{64})\s`
	undo := fromMail(t, data, "email_changed", "ada@example.com", link)
	post(impltest.ConfirmResetPath, "", `{"code":"`+undo+`","new_password":"violet anchor prints slowly"}`, http.StatusNoContent)
	if a, err := login(server, "ada@example.com", "violet anchor prints slowly"); err != nil || a.status != http.StatusOK {
		t.Errorf("%v %v", a, err)
	}
}

// fromMail waits for a mail in the data folder, and returns the part of its text that a pattern
// finds: what its group matches, if it has one.
func fromMail(t *testing.T, data, kind, to, pattern string) string {
	t.Helper()
	var files []string
	if err := eventually("a mail "+kind, func() bool {
		files, _ = filepath.Glob(filepath.Join(data, "mails", "*-"+kind+"-*.eml"))
		return len(files) == 1
	}); err != nil {
		t.Fatal(err)
	}
	text, err := mailText(files[0], to)
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if err != nil || found == nil {
		t.Fatalf("%s: %v\n%s", kind, err, text)
	}
	return found[len(found)-1]
}

// mailText returns the text of a mail. It fails unless the mail goes to an address.
func mailText(file, to string) (string, error) {
	opened, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = opened.Close() }()
	message, err := netmail.ReadMessage(opened)
	if err != nil {
		return "", err
	}
	if got := message.Header.Get("To"); got != "<"+to+">" {
		return "", errors.New("the mail goes to " + got)
	}
	_, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		return "", err
	}
	part, err := multipart.NewReader(message.Body, params["boundary"]).NextPart() // the text comes first
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(part) // NextPart decodes quoted-printable
	return string(text), err
}
