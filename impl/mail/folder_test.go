package mail

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/gen/api"
)

// canary is a code that no example has.
const canary = "73519208"

// aMail returns the mail of a letter, whose code is the canary.
func aMail(tb testing.TB, l Letter) *Message {
	tb.Helper()
	data, ok := example(tb, LoginCode).(api.MailLoginCode)
	if !ok {
		tb.Fatal("the example is of another type")
	}
	data.Code = canary
	content, err := templates(tb).Write(LoginCode, "de", data)
	if err != nil {
		tb.Fatal(err)
	}
	message, err := NewMessage(from, l, content, sentAt)
	if err != nil {
		tb.Fatal(err)
	}
	return message
}

func newFolder(tb testing.TB) *Folder {
	tb.Helper()
	return NewFolder(filepath.Join(tb.TempDir(), "data", "mails"), slog.New(slog.DiscardHandler))
}

// files returns the names of all files in a folder.
func files(tb testing.TB, dir string) []string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// A mail is one file, which only its owner may read. The log names the file, and nothing that is in
// it.
func TestFolder(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	f := newFolder(t)
	f.logger = slog.New(slog.NewTextHandler(&log, nil))
	l := letter("ada@example.com")
	message := aMail(t, l)
	const name = "20260105T093000.000000Z-login_code-01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90"
	for range 2 { // the second attempt replaces the file of the first
		if err := f.Send(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		if got := files(t, f.dir); !slices.Equal(got, []string{name + ".eml"}) {
			t.Fatalf("the folder has %q", got)
		}
	}
	for path, want := range map[string]fs.FileMode{f.dir: 0o700 | fs.ModeDir, filepath.Join(f.dir, name+".eml"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	if n := strings.Count(log.String(), name); n != 2 || strings.Contains(log.String(), canary) || strings.Contains(log.String(), "ada@") {
		t.Errorf("the log names the file %d times: %s", n, &log)
	}
	var file bytes.Buffer
	if _, err := message.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	w, err := f.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.Text, canary) || !strings.Contains(w.HTML, canary) || !bytes.Contains(w.Source, []byte("Message-ID:")) {
		t.Errorf("got %+v", w)
	}
	w.Text, w.HTML, w.Source = "", "", nil
	want := Written{
		Name: name, Kind: LoginCode, At: sentAt, To: "ada@example.com", Subject: "Dein Code: " + canary, Language: "de",
		Code: canary, Link: *example(t, LoginCode).(api.MailLoginCode).Link,
	}
	if diff := cmp.Diff(want, w); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

// What looks like a code and is none is never taken for the code of a mail.
func TestCodeOfAFile(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	for kind, want := range map[Kind]string{
		VerifyEmail: "90210347", ContinueLogin: "90210347", CompleteRegistration: "90210347", AccountDeleted: "", NewDevice: "", EmailTaken: "",
	} {
		data := reflect.New(dataOf[kind]).Elem()
		data.Set(reflect.ValueOf(example(t, kind)))
		for name, text := range map[string]string{"Username": "20261126", "Email": "ada-20261126@example.com"} {
			if field := data.FieldByName(name); field.IsValid() {
				field.SetString(text)
			}
		}
		content, err := templates(t).Write(kind, "en", data.Interface())
		if err != nil {
			t.Fatal(err)
		}
		l := another(kind)
		message, err := NewMessage(from, l, content, sentAt)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Send(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		written, err := f.Newest(10)
		at := slices.IndexFunc(written, func(w Written) bool { return w.Kind == kind })
		if err != nil || at < 0 || written[at].Code != want {
			t.Errorf("%s: got %+v, %v; want the code %q", kind, written, err, want)
		}
	}
}

// What can't be written is an error for another attempt, and leaves no file behind.
func TestFolderFails(t *testing.T) {
	t.Parallel()
	message := aMail(t, letter("ada@example.com"))
	for name, prepare := range map[string]func(dir string) error{
		"a file in the folder's place": func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"a folder in the mail's place": func(dir string) error {
			return os.MkdirAll(filepath.Join(dir, "20260105T093000.000000Z-login_code-"+anID.String()+".eml"), 0o700)
		},
	} {
		f := newFolder(t)
		if err := errors.Join(os.MkdirAll(filepath.Dir(f.dir), 0o700), prepare(f.dir)); err != nil {
			t.Fatal(err)
		}
		err := f.Send(t.Context(), message)
		if err == nil || errors.Is(err, ErrRefused) || errors.Is(err, ErrAddress) {
			t.Errorf("%s: got %v, want an error for another attempt", name, err)
		}
		if parts, err := filepath.Glob(filepath.Join(f.dir, ".*")); err != nil || len(parts) > 0 {
			t.Errorf("%s: left %q, %v", name, parts, err)
		}
	}
}

// A mail that couldn't be written is written by a later attempt.
func TestFolderIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	if err := errors.Join(os.MkdirAll(filepath.Dir(f.dir), 0o700), os.WriteFile(f.dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	q := start(t, options(t, f))
	enqueue(t, q, another(LoginCode))
	eventually(t, "the first attempt fails", func() bool { return strings.Contains(states(t, q), " 1 1") })
	if err := os.Remove(f.dir); err != nil {
		t.Fatal(err)
	}
	eventuallyStates(t, q, "completed 2 1")
	if got := files(t, f.dir); len(got) != 1 {
		t.Errorf("the folder has %q", got)
	}
}

// No kind makes a file elsewhere.
func TestFolderIsNotLeft(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	for _, kind := range []Kind{"", "../../escaped", "/escaped", "a/../../../escaped", "login_code\x00", "Login", Kind(strings.Repeat("a", 41))} {
		message := aMail(t, letter("ada@example.com"))
		message.Letter.Kind = kind
		if err := f.Send(t.Context(), message); !errors.Is(err, ErrUnknownKind) {
			t.Errorf("%q: got %v", kind, err)
		}
	}
	if err := filepath.WalkDir(filepath.Dir(filepath.Dir(f.dir)), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			t.Errorf("%s was written", path)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// The newest mails come first, and no more than asked for. What isn't a mail is left out.
func TestNewest(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	if got, err := f.Newest(3); err != nil || len(got) != 0 {
		t.Fatalf("of no folder: %v, %v", got, err)
	}
	for n := range 5 {
		l := another(LoginCode)
		l.To, l.At = fmt.Sprintf("user%d@example.com", n), sentAt.Add(time.Duration(n)*time.Microsecond)
		if err := f.Send(t.Context(), aMail(t, l)); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(filepath.Dir(f.dir), "secret_key")
	named := func(n int) string { return fmt.Sprintf("20270105T09300%d.000000Z-login_code-%s", n, anID) }
	if err := errors.Join(
		os.WriteFile(outside, []byte("SECRET"), 0o600),
		os.WriteFile(filepath.Join(f.dir, "notes.eml"), []byte("SECRET"), 0o600),
		os.WriteFile(filepath.Join(f.dir, "20269905T093000.000000Z-login_code-"+anID.String()+".eml"), nil, 0o600),
		os.WriteFile(filepath.Join(f.dir, named(1)+".eml.part"), nil, 0o600),
		os.Symlink(outside, filepath.Join(f.dir, named(2)+".eml")),
		os.Mkdir(filepath.Join(f.dir, named(3)+".eml"), 0o700),
	); err != nil {
		t.Fatal(err)
	}
	mails, err := f.Newest(3)
	var got []string
	for _, w := range mails {
		got = append(got, w.To)
	}
	if want := []string{"user4@example.com", "user3@example.com", "user2@example.com"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for _, name := range []string{
		"", ".", "..", "../secret_key", "notes", named(2), named(3), named(4), "./" + mails[0].Name, mails[0].Name + "/", mails[0].Name + ".eml",
		"../mails/" + mails[0].Name, strings.Replace(mails[0].Name, "login_code", "../mails/login_code", 1), mails[0].Name + "\n", mails[0].Name + "\x00",
	} {
		if w, err := f.Read(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: got %+v, %v", name, w, err)
		}
	}
}

// A file that is no mail, or only half of one, is shown by its name.
func TestBrokenFile(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	name := "20260105T093000.000000Z-login_code-" + anID.String()
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "\x00\xff", "Subject: A", "Subject: A\r\n\r\nB", "Subject: =?x?q?A?=\r\nContent-Type: multipart/alternative\r\n\r\nB",
		"Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n", "To: ,\r\nContent-Type: ;\r\n\r\n",
		"To: x:;\r\n\r\n",
	} {
		if err := os.WriteFile(filepath.Join(f.dir, name+".eml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		mails, err := f.Newest(1)
		if err != nil || len(mails) != 1 || mails[0].Name != name || string(mails[0].Source) != text || mails[0].Code != "" {
			t.Errorf("%q: %+v, %v", text, mails, err)
		}
	}
}
