package contract

import "testing"

// RFC 3339 section 5.6, and the years that JSON can have in UTC.
func TestCheckTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"2026-01-05T09:30:00Z":           true,
		"2026-01-05T09:30:00.123+14:00":  true,
		"0001-01-01T00:00:00Z":           true,
		"9999-12-31T23:59:59.999999999Z": true,
		"0000-01-01T00:00:00Z":           false,
		"0000-01-01T00:00:00+14:00":      false, // the year -1
		"0001-01-01T00:00:00+00:01":      false,
		"9999-12-31T23:59:59-00:01":      false, // the year 10000
		"10000-01-01T00:00:00Z":          false,
		"2026-01-05":                     false,
		"":                               false,
	} {
		if got := CheckTime(text) == ""; got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
