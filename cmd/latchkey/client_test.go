package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// answer is a server's response.
type answer struct {
	status int
	body   string
}

// token returns the access token of a login's response, or the one within `token` of a
// registration's response.
func (a answer) token() string {
	var body struct {
		AccessToken string `json:"access_token"`
		Token       struct {
			AccessToken string `json:"access_token"`
		} `json:"token"`
	}
	if json.Unmarshal([]byte(a.body), &body) != nil {
		return ""
	}
	return body.AccessToken + body.Token.AccessToken
}

var client = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}

// do sends a request and checks the response against the contract.
func do(method, target, contentType, token, body string) (answer, error) {
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return send(req)
}

// send sends a request and checks the response against the contract.
func send(req *http.Request) (answer, error) {
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	if impltest.IsContractPage(req.URL.Path) {
		text, err := io.ReadAll(res.Body)
		return answer{res.StatusCode, string(text)}, err
	}
	got, err := impltest.ReadAnswer(req.Method, req.URL.EscapedPath(), res)
	return answer{got.Status, string(got.Body)}, err
}

func get(target string) (answer, error) { return do("GET", target, "", "", "") }

func register(server, email, username, password string) (answer, error) {
	return do("POST", server+"/api/users/", "application/json", "", registration(email, username, password))
}

func registration(email, username, password string) string {
	body, err := json.Marshal(map[string]string{"email": email, "username": username, "password": password})
	if err != nil {
		panic(err) // three strings
	}
	return string(body)
}

func login(server, email, password string) (answer, error) {
	form := url.Values{"username": {email}, "password": {password}}.Encode()
	return do("POST", server+"/api/users/login/token/", "application/x-www-form-urlencoded", "", form)
}

func me(server, token string) (answer, error) {
	return do("GET", server+"/api/users/me/", "", token, "")
}

// eventually polls f until it returns true. It fails with an error after the patience of these
// tests.
func eventually(what string, f func() bool) error {
	for deadline := time.Now().Add(patience); ; {
		if f() {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("this did not happen in time: %s", what)
		}
		<-time.After(10 * time.Millisecond) // a poll
	}
}
