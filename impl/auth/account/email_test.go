package account

import (
	"errors"
	"strings"
	"testing"
)

// SECURITY, "Identity normalisation": for each spelling, the account that it belongs to, or its
// refusal.
func TestCanonicalEmail(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"admin@example.com":                      "admin@example.com",
		"Admin@Example.com":                      "admin@example.com",
		"admin@EXAMPLE。com":                      "admin@example.com",
		"admin@ⓔxample.com":                      "admin@example.com",
		"admin+tag@example.com":                  "admin+tag@example.com",
		"a.d.min@example.com":                    "a.d.min@example.com",
		"ADMİN@example.com":                      "admi\u0307n@example.com", // U+0130: distinct from admin
		"admın@example.com":                      "admın@example.com",
		"ａｄｍｉｎ@example.com":                      "ａｄｍｉｎ@example.com", // full width: distinct
		"ªdmin@example.com":                      "ªdmin@example.com",
		"ſam@example.com":                        "ſam@example.com",
		"\u212aelvin@example.com":                "kelvin@example.com", // the Kelvin sign is K in NFC
		"jose\u0301@example.com":                 "jos\u00e9@example.com",
		"JOS\u00c9@example.com":                  "jos\u00e9@example.com",
		"straße@example.com":                     "straße@example.com",
		"admin@exаmple.com":                      "admin@xn--exmple-4nf.com", // a Cyrillic а: another domain
		"a@中国.example":                           "a@xn--fiqs8s.example",
		"a@xn--fiqs8s.example":                   "a@xn--fiqs8s.example",
		"a@XN--FIQS8S.example":                   "a@xn--fiqs8s.example",
		"o'hara!#$%&*/=?^_`{|}~@e.x":             "o'hara!#$%&*/=?^_`{|}~@e.x",
		strings.Repeat("a", 64) + "@example.com": strings.Repeat("a", 64) + "@example.com",

		"":                                       "",
		"admin":                                  "",
		"@example.com":                           "",
		"admin@":                                 "",
		"admin@@example.com":                     "",
		"admin@a@example.com":                    "",
		"admin@example":                          "",
		"admin@example.com.":                     "",
		"admin@.example.com":                     "",
		"admin@example..com":                     "",
		"admin@exa mple.com":                     "",
		"admin@exa_mple.com":                     "",
		"admin@-example.com":                     "",
		"admin@127.0.0.1":                        "",
		"admin@[127.0.0.1]":                      "",
		"admin@xn--a.com":                        "",
		".admin@example.com":                     "",
		"admin.@example.com":                     "",
		"ad..min@example.com":                    "",
		` admin@example.com`:                     "",
		"admin @example.com":                     "",
		"admin@example.com\n":                    "",
		"admin@example.com\r\nBcc: x":            "",
		"admin\x00@example.com":                  "",
		"admin\u00ad@example.com":                "", // soft hyphen
		"admin\u200b@example.com":                "", // zero width space
		"admin\u3164@example.com":                "", // Hangul filler, a letter that can't be seen
		"admin\ufe0f@example.com":                "",
		"admin\u202e@example.com":                "",
		"admin\ue000@example.com":                "", // private use
		"admin@exam\u00adple.com":                "",
		"admin@exam\u200dple.com":                "",
		`"admin"@example.com`:                    "",
		"Bob <admin@example.com>":                "",
		"<admin@example.com>":                    "",
		"admin(comment)@example.com":             "",
		"admin\u037eeve@example.com":             "", // the Greek question mark is a semicolon in NFC
		"admin\ufffd@example.com":                "",
		"admin@0x7f.0x1":                         "",
		"admin,eve@example.com":                  "",
		"admin@example.com,eve@e.com":            "",
		"admin%0d%0aBcc:x@example.com":           "",
		"adm\xffin@example.com":                  "",
		"adm\xed\xa0\x80@example.com":            "",
		strings.Repeat("a", 65) + "@example.com": "",
		"a@" + strings.Repeat("a", 64) + ".com":  "",
		"a@" + strings.Repeat(strings.Repeat("a", 50)+".", 5) + "c": "",
	} {
		got, err := CanonicalEmail(typed)
		if got != want {
			t.Errorf("%q: got %q (%v), want %q", typed, got, err, want)
		}
		var refused *InvalidError
		if want == "" && (!errors.As(err, &refused) || refused.Detail == "") {
			t.Errorf("%q: %v is not an InvalidError", typed, err)
		}
		if err != nil && len(typed) > 8 && strings.Contains(err.Error(), typed) {
			t.Errorf("%q: the error repeats it: %v", typed, err)
		}
	}
}

func TestCanonicalUsername(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"ada": "ada", "ADA": "ada", "a-B_9": "a-b_9", strings.Repeat("a", 64): strings.Repeat("a", 64),
		"": "", "ab": "", strings.Repeat("a", 65): "", "ad a": "", "adа": "", "ada\n": "", "ada\x00": "", "ada.l": "",
	} {
		got, err := CanonicalUsername(typed)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", typed, got, err)
		}
	}
}

// A canonical form is its own canonical form, and has the shape that Kratos checks in its fuzz
// tests, too.
func FuzzCanonicalEmail(f *testing.F) {
	for _, seed := range []string{"Admin@Example.com", "ADMİN@example.com", "a@中国.example", "ﬁ@ﬁ.com", "\u1e9e@straße.de", "Ω\u0301@example.com", "a@b.c", "Σ@ς.gr", "x@１.com", "a\u037eb@example.com"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		canonical, err := CanonicalEmail(typed)
		if err != nil {
			return
		}
		again, err := CanonicalEmail(canonical)
		if err != nil || again != canonical {
			t.Errorf("%q gave %q, which gave %q, %v", typed, canonical, again, err)
		}
		local, domain, _ := strings.Cut(canonical, "@")
		if local == "" || domain == "" || len(canonical) > maxEmailBytes ||
			strings.ContainsAny(canonical, "()<>[]:;\\,\" \r\n\x00") ||
			strings.Count(canonical, "@") != 1 {
			t.Errorf("%q gave %q", typed, canonical)
		}
	})
}
