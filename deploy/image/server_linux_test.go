package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// checkProcess checks that a server is an ordinary user without rights.
func checkProcess(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	user := 65532
	if os.Geteuid() != 0 {
		user = os.Geteuid()
	}
	for _, line := range []string{
		fmt.Sprintf("Uid:\t%d\t%d\t%d\t%d", user, user, user, user), "CapEff:\t0000000000000000", "NoNewPrivs:\t1",
	} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("the process has no %q:\n%s", line, text)
		}
	}
}

// checkLogin registers a user and logs in.
func checkLogin(t *testing.T, addr, username string) {
	t.Helper()
	server := "http://" + strings.TrimPrefix(addr, "LATCHKEY_ADDR=")
	account := fmt.Sprintf(`{"email":"%s@example.com","username":"%s","password":"correct-horse-battery"}`, username, username)
	response, err := http.Post(server+"/api/users/", "application/json", strings.NewReader(account))
	expect(t, response, err, http.StatusCreated)
	form := url.Values{"grant_type": {"password"}, "username": {username + "@example.com"}, "password": {"correct-horse-battery"}}
	response, err = http.PostForm(server+"/api/users/login/token/", form)
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(expect(t, response, err, http.StatusOK), &token); err != nil || token.Access == "" {
		t.Errorf("no token: %v", err)
	}
	request, err := http.NewRequest(http.MethodGet, server+"/api/users/me/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token.Access)
	response, err = http.DefaultClient.Do(request)
	if body := expect(t, response, err, http.StatusOK); !strings.Contains(string(body), username+"@example.com") {
		t.Errorf("another user: %s", body)
	}
}

func expect(t *testing.T, response *http.Response, err error, status int) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", response.StatusCode, status, body)
	}
	return body
}
