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

Each operation of [openapi.yaml](../openapi.yaml), each status that it may answer, and a test of the package
[impl](../impl) in which it does: on a real PostgreSQL, over real HTTP. The tests make this page, and fail when it isn't
true, when a pair has no test, or when the server sends anything, a header included, that the contract doesn't declare.
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
func rows(id string, test func(pair) string) string {
	var b strings.Builder
	for _, p := range declared() {
		if p.operation == id {
			code, _ := strconv.Atoi(p.status)
			fmt.Fprintf(&b, "| %s %s | `%s` |\n", p.status, http.StatusText(code), test(p))
		}
	}
	return b.String()
}

// page is the whole text, by the tests that are named.
func page(test func(pair) string) string {
	var b strings.Builder
	b.WriteString(matrixHead)
	for _, op := range operations() {
		fmt.Fprintf(&b, "\n## %s\n\n`%s %s`\n\n| Status | Test |\n| --- | --- |\n%s", op.id, op.method, op.path, rows(op.id, test))
	}
	return b.String()
}

// matrix makes the page.
func (c *coverage) matrix() string { return page(c.witness) }

// checkMatrix holds a page to what the tests have produced.
func (c *coverage) checkMatrix(text string) error {
	named := readMatrix(text)
	for _, p := range declared() {
		test := named[p]
		if test == "" {
			return fmt.Errorf("%s is missing", p)
		}
		if !c.tests[p][test] {
			return fmt.Errorf("%s is not produced by %s", p, test)
		}
	}
	if text != page(func(p pair) string { return named[p] }) {
		return fmt.Errorf("it has other lines than it should")
	}
	return nil
}

// readMatrix answers the test that a page names for each pair.
func readMatrix(text string) map[pair]string {
	named := map[pair]string{}
	operation := ""
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			operation = strings.TrimSpace(title)
		}
		cells := strings.Split(line, "|")
		if len(cells) == 4 {
			status, _, _ := strings.Cut(strings.TrimSpace(cells[1]), " ")
			named[pair{operation, status}] = strings.Trim(strings.TrimSpace(cells[2]), "`")
		}
	}
	return named
}
