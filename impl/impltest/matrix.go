package impltest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// The page names a test for each outcome. If several tests produce an outcome, the page keeps the
// one that it was made with, so that a new test doesn't change the page. Every run checks that the
// page is true.

const matrixHead = `# What the contract promises, and the test of it

This page answers: which statuses and error codes does each operation send, and which test shows it?

- The operations are those of [openapi.yaml](../openapi.yaml).
- Each line names a test of the package [impl](../impl). The test gets this answer over HTTP, on a real PostgreSQL.
- The tests write this page. They fail if the page isn't true, or if a line has no test.
- They also fail if the server sends anything that the contract doesn't declare, headers included.

[Development](development.md#the-contract) describes how answers are checked. [Access](access.md) has who may do what.
`

// Operations returns the operations of the contract, sorted by path and method.
func Operations() []Operation { return operationsOf(Contract()) }

func operationsOf(contract *openapi3.T) []Operation {
	var all []Operation
	for path, item := range contract.Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, Operation{op.OperationID, method, path, op, contract})
		}
	}
	slices.SortFunc(all, func(a, b Operation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	return all
}

// rows returns the lines of an operation's table. The function test names the test of an outcome.
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

// page returns the whole text. The function test names the test of an outcome.
func page(test func(outcome) string) string {
	var b strings.Builder
	b.WriteString(matrixHead)
	for _, op := range Operations() {
		fmt.Fprintf(&b, "\n## %s\n\n`%s %s`\n\n| Status | Code | Test |\n| --- | --- | --- |\n%s",
			op.ID, op.Method, op.Path, rows(op.ID, test))
	}
	return b.String()
}

// matrix returns the page for the recorded tests. It keeps what the page before it says and is
// still true.
func (c *coverage) matrix(before string) string {
	named := readMatrix(before)
	return page(func(o outcome) string {
		if test := named[o]; c.tests[o][test] {
			return test
		}
		return c.witness(o)
	})
}

// checkMatrix checks a page against the outcomes that the tests have produced.
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
		return fmt.Errorf("its lines differ from the generated ones")
	}
	return nil
}

// readMatrix returns the test that a page names for each outcome.
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
