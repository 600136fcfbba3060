package docs

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"

	"github.com/go-json-experiment/json"
)

// Problem is what the extension x-latchkey-problems of the contract has for a code: the title of
// its responses, and the text of its page.
type Problem struct {
	Title   string `json:"title"`
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
}

// ReadProblems returns the texts of the extension by their codes. It fails if a text is missing.
func ReadProblems(extension any) (map[string]Problem, error) {
	data, err := json.Marshal(extension)
	if err != nil {
		return nil, err
	}
	var problems map[string]Problem
	if err := json.Unmarshal(data, &problems, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("x-latchkey-problems: %w", err)
	}
	for code, problem := range problems {
		if problem.Title == "" || problem.Meaning == "" || problem.Remedy == "" {
			return nil, fmt.Errorf("x-latchkey-problems: %s has no title, meaning or remedy", code)
		}
	}
	if len(problems) == 0 {
		return nil, errors.New("x-latchkey-problems is missing")
	}
	return problems, nil
}

// ProblemPath is the path below which each code has its page. Any other code is a path that isn't
// served.
const ProblemPath = "/problems/"

// problemPage has no script, style or image, so the Content-Security-Policy of all responses allows
// it.
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

func (p Problem) page(code string) []byte {
	var page bytes.Buffer
	// Texts fit the template, and a buffer can't fail.
	_ = problemPage.Execute(&page, struct {
		Problem
		Code string
	}{p, code})
	return page.Bytes()
}
