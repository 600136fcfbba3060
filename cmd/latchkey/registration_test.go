package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// mailed waits for the mail of a kind in a server's folder, and returns its text.
func mailed(t *testing.T, dir, kind string) (text string) {
	t.Helper()
	if err := eventually("the mail "+kind+" is written", func() bool {
		files, err := filepath.Glob(filepath.Join(dir, ".latchkey", "mails", "*-"+kind+"-*.eml"))
		if err != nil || len(files) != 1 {
			return false
		}
		content, err := os.ReadFile(files[0])
		text = string(content)
		return err == nil
	}); err != nil {
		t.Fatal(err)
	}
	return text
}

// codeLine is the code in a mail.
var codeLine = regexp.MustCompile(`(?m)^    ([0-9]{8})\r?$`)

// A new address gets a code that completes its registration, and the owner of an account a mail
// without one. The first login of a user that an operator made asks for a code as well.
func TestRegistrationByMail(t *testing.T) {
	t.Parallel()
	dir := openFolder(t)
	environ := append(onDatabase(postgrestest.NewEmpty(t)), prefix+"DATA_DIR="+filepath.Join(dir, ".latchkey"),
		prefix+"REGISTRATION=verified", prefix+"REQUIRE_VERIFIED_EMAIL=on")
	_, url := serve(t, dir, environ)
	create := exec.Command("latchkey", "user", "create", "--email=ada@example.com", "--username=ada", "--password-stdin")
	create.Env, create.Stdin = environ, strings.NewReader(impltest.Password)
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	requests := map[string]string{}
	for _, name := range []string{"ada", "eve"} {
		a, err := register(url, name+"@example.com", "new-"+name, impltest.Password)
		if err != nil || a.status != http.StatusAccepted {
			t.Fatalf("%v %v", a, err)
		}
		requests[name] = impltest.Answer{Body: []byte(a.body)}.Text("request")
	}
	if text := mailed(t, dir, "email_taken"); !strings.Contains(text, "To: <ada@example.com>") || codeLine.MatchString(text) {
		t.Errorf("got %s", text)
	}
	text := mailed(t, dir, "complete_registration")
	found := codeLine.FindStringSubmatch(text)
	if !strings.Contains(text, "To: <eve@example.com>") || found == nil {
		t.Fatalf("got %s", text)
	}
	body := fmt.Sprintf(`{"request":%q,"code":%q}`, requests["eve"], found[1])
	a, err := do("POST", url+impltest.CompletePath, jsonType, "", body)
	if err != nil || a.status != http.StatusCreated {
		t.Errorf("completion: %v %v", a, err)
	}
	if a, err := login(url, "eve@example.com", impltest.Password); err != nil || a.status != http.StatusOK {
		t.Errorf("login: %v %v", a, err)
	}

	a, err = login(url, "ada@example.com", impltest.Password)
	if err != nil || a.status != http.StatusForbidden {
		t.Fatalf("%v %v", a, err)
	}
	held := impltest.Answer{Body: []byte(a.body)}.Text("request")
	found = codeLine.FindStringSubmatch(mailed(t, dir, "continue_login"))
	if found == nil {
		t.Fatal("the mail has no code")
	}
	body = fmt.Sprintf(`{"request":%q,"factor":"email_code","code":%q}`, held, found[1])
	if a, err := do("POST", url+impltest.ContinueLoginPath, jsonType, "", body); err != nil || a.status != http.StatusOK {
		t.Errorf("the login goes on: %v %v", a, err)
	}
}
