package impl

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/url"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"
)

// problemText is what the contract's extension x-latchkey-problems has for a code: the title of its answers, and the page
// that `type` refers to.
type problemText struct {
	Title   string `json:"title"`
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
}

// problemTexts reads the texts by their codes, and fails if one is missing.
func problemTexts(doc *openapi3.T) (map[string]problemText, error) {
	data, err := json.Marshal(doc.Extensions["x-latchkey-problems"])
	if err != nil {
		return nil, err
	}
	var texts map[string]problemText
	if err := json.Unmarshal(data, &texts, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("x-latchkey-problems: %w", err)
	}
	for code, text := range texts {
		if text.Title == "" || text.Meaning == "" || text.Remedy == "" {
			return nil, fmt.Errorf("x-latchkey-problems: %s has no title, meaning or remedy", code)
		}
	}
	if len(texts) == 0 {
		return nil, errors.New("x-latchkey-problems is missing")
	}
	return texts, nil
}

// problemPath is the path below which each code has its page.
const problemPath = "/problems/"

// problemType returns the reference to a code's page (RFC 9457 section 3.1.1), with the prefix under which the client finds
// the service: the path of the public URL, or else what a proxy says.
func (s *Server) problemType(r *request, code string) string {
	prefix := r.prefix
	if s.publicURL != "" {
		prefix = ""
		if u, err := url.Parse(s.publicURL); err == nil {
			prefix = u.EscapedPath()
		}
	}
	return prefix + problemPath + code
}

// problemPage has no script, style or image, so the Content-Security-Policy of all answers holds for it too.
var problemPage = template.Must(template.New("problem").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.Title}}</title>
<h1>{{.Title}}</h1>
<p><code>{{.Code}}</code></p>
<h2>What it means</h2>
<p>{{.Meaning}}</p>
<h2>What to do</h2>
<p>{{.Remedy}}</p>
<p><a href="../docs">All operations and their errors</a></p>
</html>
`))

// registerProblems serves a page for each code. Any other code is a path that isn't served.
func registerProblems(e *echo.Echo, texts map[string]problemText) {
	for code, text := range texts {
		e.GET(problemPath+code, newPage("text/html; charset=utf-8", func() []byte {
			var page bytes.Buffer
			// Texts fit the template, and a buffer can't fail.
			_ = problemPage.Execute(&page, struct {
				problemText
				Code string
			}{text, code})
			return page.Bytes()
		}).serve)
	}
}
