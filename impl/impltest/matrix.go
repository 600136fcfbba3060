package impltest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The page that shows what the tests have produced. Which of several tests stands there is the choice of whoever made it
// last, so that a new test doesn't change the page; that it says the truth is checked by every run.

const matrixHead = `# What the contract promises, and the test of it

Each operation of [openapi.yaml](../openapi.yaml), each status that it may answer, each code of an error, and a test of the
package [impl](../impl) in which it does: on a real PostgreSQL, over real HTTP. The tests make this page, and fail when it isn't
true, when a line has no test, or when the server sends anything, a header included, that the contract doesn't declare.
How that is judged is told in [development.md](development.md#the-contract).
`

// operation is what stands over an operation's table.
type operation struct {
	id, method, path string
}

func operations() []operation {
	var all []operation
	for path, item := range Contract().Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, operation{op.OperationID, method, path})
		}
	}
	slices.SortFunc(all, func(a, b operation) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method))
	})
	return all
}

// rows are an operation's lines, each by the test that is named.
func rows(id string, test func(outcome) string) string {
	var b strings.Builder
	for _, o := range declared() {
		if o.operation == id {
			status, _ := strconv.Atoi(o.status)
			code := ""
			if o.code != "" {
				code = "`" + o.code + "`"
			}
			fmt.Fprintf(&b, "| %s %s | %s | `%s` |\n", o.status, http.StatusText(status), code, test(o))
		}
	}
	return b.String()
}

// page is the whole text, by the tests that are named.
func page(test func(outcome) string) string {
	var b strings.Builder
	b.WriteString(matrixHead)
	for _, op := range operations() {
		fmt.Fprintf(&b, "\n## %s\n\n`%s %s`\n\n| Status | Code | Test |\n| --- | --- | --- |\n%s", op.id, op.method, op.path, rows(op.id, test))
	}
	return b.String()
}

// matrix makes the page.
func (c *coverage) matrix() string { return page(c.witness) }

// checkMatrix holds a page to what the tests have produced.
func (c *coverage) checkMatrix(text string) error {
	named := readMatrix(text)
	for _, o := range declared() {
		test := named[o]
		if test == "" {
			return fmt.Errorf("%s is missing", o)
		}
		if !c.tests[o][test] {
			return fmt.Errorf("%s is not produced by %s", o, test)
		}
	}
	if text != page(func(o outcome) string { return named[o] }) {
		return fmt.Errorf("it has other lines than it should")
	}
	return nil
}

// readMatrix answers the test that a page names for each outcome.
func readMatrix(text string) map[outcome]string {
	named := map[outcome]string{}
	operation := ""
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			operation = strings.TrimSpace(title)
		}
		cells := strings.Split(line, "|")
		if len(cells) == 5 {
			status, _, _ := strings.Cut(strings.TrimSpace(cells[1]), " ")
			named[outcome{operation, status, unquote(cells[2])}] = unquote(cells[3])
		}
	}
	return named
}

func unquote(cell string) string { return strings.Trim(strings.TrimSpace(cell), "`") }
