package account

import "strings"

// CanonicalUsername returns the form by which a username is compared: lower case. It must be 3 to
// 64 of the characters A-Z, a-z, 0-9, _ and -; otherwise it fails with an [*InvalidError].
func CanonicalUsername(typed string) (string, error) {
	if len(typed) < 3 || len(typed) > 64 {
		return "", &InvalidError{"It must have 3 to 64 characters."}
	}
	for _, c := range []byte(typed) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return "", &InvalidError{"It may have the letters A to Z, digits, _ and - only."}
		}
	}
	return strings.ToLower(typed), nil
}
