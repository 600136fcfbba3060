// Package account is what a user is, and by which forms emails and usernames are compared.
package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// InvalidError is the reason why a text is no email or username. It never repeats the text.
type InvalidError struct{ Detail string }

func (e *InvalidError) Error() string { return e.Detail }

// Bounds of an email, in bytes (RFC 5321 section 4.5.3.1, and erratum 1690 of RFC 3696).
const (
	maxEmailBytes = 254
	maxLocalBytes = 64
)

// CanonicalEmail returns the form by which an email is compared: the local part in Unicode's NFC
// and in lower case, the domain in lower-case ASCII by IDNA. Two emails that reach one mailbox by
// the rules of a domain name have one form; what a mail system may do beyond that (dots, plus
// signs) is left alone.
//
// Whatever such a form can't be made of, or could be read in two ways, is an [*InvalidError]:
// display names, quoted local parts, comments, spaces, control and invisible characters, IP
// addresses, a domain without a dot or with one at its end.
func CanonicalEmail(typed string) (string, error) {
	if len(typed) > maxEmailBytes || !utf8.ValidString(typed) {
		return "", &InvalidError{"It must be UTF-8 of at most 254 bytes."}
	}
	local, domain, found := strings.Cut(typed, "@")
	if !found || local == "" || domain == "" || strings.Contains(domain, "@") {
		return "", &InvalidError{"It must have exactly one @, and something on both sides of it."}
	}
	local, err := canonicalLocal(local)
	if err != nil {
		return "", err
	}
	domain, err = canonicalDomain(domain)
	if err != nil {
		return "", err
	}
	if len(local)+1+len(domain) > maxEmailBytes {
		return "", &InvalidError{"It is longer than 254 bytes in its ASCII form."}
	}
	return local + "@" + domain, nil
}

// EmailPrefix returns the form by which the beginning of an email is compared with what
// [CanonicalEmail] returns. It fails with an [*InvalidError].
func EmailPrefix(typed string) (string, error) {
	if key, err := CanonicalEmail(typed); err == nil {
		return key, nil // a whole email, whose domain may have letters beyond ASCII
	}
	if len(typed) > maxEmailBytes || !utf8.ValidString(typed) || strings.ContainsRune(typed, 0) {
		return "", &InvalidError{"It must be UTF-8 of at most 254 bytes."}
	}
	return lower(typed), nil
}

// lower returns a text in lower case and NFC.
func lower(text string) string {
	// U+0130 is the one letter whose lower case is two characters, which strings.ToLower, going by
	// single ones, makes an i of: then two mailboxes would be one account. Lower case may leave
	// what NFC composes, hence NFC on both sides.
	text = strings.ReplaceAll(norm.NFC.String(text), "\u0130", "i\u0307")
	return norm.NFC.String(strings.ToLower(text))
}

func canonicalLocal(local string) (string, error) {
	local = lower(local)
	// What comes out is looked at and not what was typed, since NFC makes a semicolon of U+037E.
	for _, r := range local {
		if !isLocalRune(r) {
			return "", &InvalidError{`It has a space, an invisible character or one of ()<>[]:;\," before the @.`}
		}
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return "", &InvalidError{"It has a dot at an end of what is before the @, or two in a row."}
	}
	if len(local) > maxLocalBytes {
		return "", &InvalidError{"It has more than 64 bytes before the @."}
	}
	return local, nil
}

// isLocalRune takes what can be seen, and none of the characters that quote, group or separate
// addresses (RFC 5322 section 3.2.3).
func isLocalRune(r rune) bool {
	// U+FFFD replaces what could not be decoded, such as a lone surrogate in JSON.
	if r == utf8.RuneError || strings.ContainsRune(`()<>[]:;\,"`, r) {
		return false
	}
	visible := unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S)
	ignorable := unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
	return visible && !ignorable
}

func canonicalDomain(domain string) (string, error) {
	for _, r := range domain {
		// IDNA drops some of these silently: two spellings that look the same would be one domain
		// or two.
		if unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return "", &InvalidError{"Its domain has an invisible character."}
		}
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return "", &InvalidError{"Its domain is not a domain name."} // the error quotes it
	}
	ascii = strings.ToLower(ascii)
	labels := strings.Split(ascii, ".")
	if len(labels) < 2 || len(ascii) > 253 {
		return "", &InvalidError{"Its domain must be a domain name with a dot in it."}
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return "", &InvalidError{"Its domain has a part that is empty or longer than 63 bytes."}
		}
	}
	// A resolver reads 0x7f.0x1 as an IPv4 address, too.
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return "", &InvalidError{"Its domain is an IP address."}
	}
	return ascii, nil
}
