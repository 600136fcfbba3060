package mail

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
)

var (
	// loading are the attributes whose address a reader of mail loads by itself.
	loading = []string{"src", "srcset", "background", "poster", "data"}
	// active are the elements that have no place in a mail.
	active = []string{"link", "script", "iframe", "object", "embed", "base", "form"}
)

// loads returns the line of the first element that makes a reader load something, or 0. Images that
// are part of the mail are let through: their addresses begin with cid: or data:.
func loads(text string) int {
	tokens := html.NewTokenizer(strings.NewReader(text))
	for line, inStyle := 1, false; ; {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			return 0
		}
		at := line
		line += strings.Count(string(tokens.Raw()), "\n")
		switch token := tokens.Token(); kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			if isLoading(token) {
				return at
			}
			inStyle = token.Data == "style"
		case html.TextToken:
			if inStyle && isLoadingStyle(token.Data) {
				return at
			}
		default:
			inStyle = false
		}
	}
}

func isLoading(token html.Token) bool {
	if token.Data == "meta" {
		return !slices.ContainsFunc(token.Attr, func(a html.Attribute) bool { return a.Key == "charset" || a.Key == "name" })
	}
	if slices.Contains(active, token.Data) {
		return true
	}
	return slices.ContainsFunc(token.Attr, func(a html.Attribute) bool {
		value := strings.ToLower(strings.TrimSpace(a.Val))
		isPart := strings.HasPrefix(value, "cid:") || strings.HasPrefix(value, "data:")
		return slices.Contains(loading, a.Key) && !isPart || a.Key == "style" && isLoadingStyle(value)
	})
}

func isLoadingStyle(style string) bool {
	style = strings.ToLower(style)
	return strings.Contains(style, "url(") || strings.Contains(style, "@import")
}
