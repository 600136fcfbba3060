package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// Behind a pooler in transaction mode LISTEN doesn't work. Each mail is sent all the same, by one
// of two instances, and the log has nothing to complain of.
func TestPooler_Mails(t *testing.T) {
	t.Parallel()
	bouncer := startPooler(t, postgrestest.NewEmpty(t))
	dir := openFolder(t)
	const mails = 6
	var servers []*process
	var urls []string
	for n := range 2 {
		environ := onDatabase(bouncer.url, "LATCHKEY_DATABASE_POOLER=transaction", "LATCHKEY_LOG_LEVEL=warn", fmt.Sprintf("LATCHKEY_DATA_DIR=%s/data%d", dir, n))
		p, server := serve(t, "/", environ)
		servers, urls = append(servers, p), append(urls, server)
	}
	for n := range mails {
		email := fmt.Sprintf("user%d@example.com", n)
		if a, err := register(urls[n%2], email, fmt.Sprintf("user%d", n), "correct-horse-battery"); err != nil || a.status != 201 {
			t.Fatalf("registration answered %d %s, %v", a.status, a.body, err)
		}
		if a, err := askReset(urls[n%2], email); err != nil || a.status != 202 {
			t.Fatalf("request answered %d %s, %v", a.status, a.body, err)
		}
	}
	written := func() int {
		files, err := filepath.Glob(filepath.Join(dir, "data*", "mails", "*-reset_password-*.eml"))
		if err != nil {
			t.Error(err)
		}
		return len(files)
	}
	if err := eventually("every mail is written", func() bool { return written() >= mails }); err != nil {
		t.Errorf("%v: %d mails", err, written())
	}
	for _, p := range servers {
		p.stop(t)
		if log := p.stderr.String(); log != "" {
			t.Errorf("the log is %s", log)
		}
	}
	if n := written(); n != mails {
		t.Errorf("%d mails, want %d", n, mails)
	}
}
