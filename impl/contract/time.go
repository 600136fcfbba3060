package contract

import "time"

// CheckTime checks the format date-time: the text must be a time of RFC 3339 whose year in UTC is 1
// to 9999. An offset may move a time out of these years, and then JSON couldn't have it in UTC. The
// function returns the problem, or an empty text.
func CheckTime(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return "It must be a time as in RFC 3339, such as 2026-01-05T09:30:00Z."
	case at.UTC().Year() < 1 || at.UTC().Year() > 9999:
		return "It must be in the years 1 to 9999, in UTC."
	}
	return ""
}
