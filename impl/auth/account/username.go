package account

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// usernameChars are the characters of usernames in their canonical form.
const usernameChars = "abcdefghijklmnopqrstuvwxyz0123456789_-"

// CanonicalUsername returns the form by which a username is compared: lower case. It must be 3 to
// 64 of the characters A-Z, a-z, 0-9, _ and -; otherwise it fails with an [*InvalidError].
func CanonicalUsername(typed string) (string, error) {
	if len(typed) < 3 || len(typed) > 64 {
		return "", &InvalidError{"It must have 3 to 64 characters."}
	}
	if strings.Trim(typed, usernameChars+"ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "", &InvalidError{"It may have the letters A to Z, digits, _ and - only."}
	}
	return strings.ToLower(typed), nil
}

// ProposedUsername makes a username from an email for a user who hasn't chosen one: the allowed
// characters of the local part, and eight digits of the hash of the email, so that it is the same
// each time.
func ProposedUsername(emailKey string) string {
	local, _, _ := strings.Cut(emailKey, "@")
	kept := strings.Map(func(c rune) rune {
		if strings.ContainsRune(usernameChars, c) {
			return c
		}
		return -1
	}, local)
	sum := sha256.Sum256([]byte(emailKey))
	return cmp.Or(kept[:min(len(kept), 48)], "user") + "-" + hex.EncodeToString(sum[:4])
}
