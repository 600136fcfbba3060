package contractfuzz

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// want is what may be answered.
type want struct {
	// statuses of a broken request; a valid one must be answered below 400, or as one of the exceptions says.
	statuses []int
	// errors are exactly those of a 422; where a code is empty, any is right.
	errors []fieldError
	// known says that the credentials in a valid body are those of a user.
	known bool
}

// fieldError is one entry of a 422.
type fieldError struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
}

// exceptions are the refusals of a valid request that are not for its shape.
var exceptions = []struct {
	status int
	code   string
	// known says that it is also right where the credentials are those of a user.
	known bool
}{
	// An email or a username is another user's. State, not shape.
	{409, "email_taken", true},
	{409, "username_taken", true},
	// The credentials have the right shape, and are nobody's.
	{401, "invalid_credentials", false},
	{400, "invalid_refresh_token", true},
	// The id has the right shape, and is that of nothing.
	{404, "session_not_found", true},
}

// commonPassword is a code of a 422 for a member that fits its schema: how easily a password is
// guessed is not for a schema to say.
const commonPassword = "common_password"

// isBeyondSchema reports whether a member that fits its schema may be refused so. A schema of OpenAPI
// 3.0 doesn't say which fields of a form go together, or which grant needs a refresh token.
func isBeyondSchema(e fieldError) bool {
	return e.Code == commonPassword || e.Code == "not_allowed" || e == fieldError{"/refresh_token", codeRequired}
}

// Judge answers what is wrong with an answer to the request. Whether the answer is declared is not looked at here.
func (c *Case) Judge(status int, body []byte) error {
	if status >= 500 {
		return fmt.Errorf("answered %d", status)
	}
	var answer struct {
		Code   string       `json:"code"`
		Errors []fieldError `json:"errors"`
	}
	if c.Method != "HEAD" && !slices.Contains(c.bodiless, strconv.Itoa(status)) {
		if err := json.Unmarshal(body, &answer); err != nil {
			return fmt.Errorf("answered %d, with what is no JSON: %w", status, err)
		}
	}
	if status >= 400 {
		if err := c.judgeSilence(body); err != nil {
			return err
		}
	}
	if c.oversized && status == 413 {
		return nil
	}
	if c.Valid {
		return c.judgeValid(status, answer.Code, answer.Errors, body)
	}
	if !slices.Contains(c.want.statuses, status) {
		return fmt.Errorf("answered %d %s, want %v", status, answer.Code, c.want.statuses)
	}
	return c.judgeErrors(answer.Errors)
}

func (c *Case) judgeValid(status int, code string, errors []fieldError, body []byte) error {
	if status < 400 {
		return c.judgeEcho(body)
	}
	for _, e := range exceptions {
		if e.status == status && e.code == code && (e.known || !c.want.known) {
			return nil
		}
	}
	if status == 422 && len(errors) > 0 && !slices.ContainsFunc(errors, func(e fieldError) bool { return !isBeyondSchema(e) }) {
		return nil
	}
	return fmt.Errorf("answered %d %s %v, and is valid", status, code, errors)
}

func (c *Case) judgeErrors(got []fieldError) error {
	if c.want.errors == nil {
		return nil
	}
	// So may a member beside the broken one.
	got = slices.DeleteFunc(got, isBeyondSchema)
	equal := slices.EqualFunc(got, c.want.errors, func(got, want fieldError) bool {
		return got.Pointer == want.Pointer && (want.Code == anyCode || got.Code == want.Code)
	})
	if !equal {
		return fmt.Errorf("told of %v, want %v", got, c.want.errors)
	}
	return nil
}

// judgeEcho holds the members that an answer repeats to what was sent: a value that was read wrong is told by it.
func (c *Case) judgeEcho(body []byte) error {
	if !c.echoed {
		return nil
	}
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	for _, f := range c.sent {
		sent, isText := f.value.(string)
		if got, ok := answer[f.name].(string); ok && isText && got != sent {
			return fmt.Errorf("%s was sent as %q and came back as %q", f.name, sent, got)
		}
	}
	return nil
}

// leastSecret is how long a value is that can't stand in an answer by chance, in bytes.
const leastSecret = 16

// judgeSilence holds a refusal to what the contract says of `detail`: it never repeats what was sent.
func (c *Case) judgeSilence(body []byte) error {
	for _, f := range c.sent {
		if sent, ok := f.value.(string); ok && len(sent) >= leastSecret && strings.Contains(string(body), sent) {
			return fmt.Errorf("the answer repeats the value of %s", f.name)
		}
	}
	return nil
}
