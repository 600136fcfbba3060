// Command changes tells what has changed from one contract to another, a line for each: "break" or "addition", and what it
// is. It takes two files, and on stdin what oasdiff tells of them (oasdiff changelog -f json). To that it adds what oasdiff
// doesn't look at, whatever else has changed:
//
//   - the names of operations and components, which are names of the client's types as well;
//   - the values of headers;
//   - components that no operation refers to, such as a token's claims;
//   - servers, and whatever else stands beside the paths;
//   - an operation of which oasdiff tells nothing and which is another one all the same.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Stdin, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// told is a change that oasdiff tells.
type told struct {
	Level     int // 1 is an addition; 2 breaks some clients, 3 all
	Text      string
	Operation string
	Path      string
	Section   string
}

func run(in io.Reader, out io.Writer, files []string) error {
	if len(files) != 2 {
		return fmt.Errorf("usage: changes RELEASED WORKING <CHANGELOG")
	}
	from, err := read(files[0])
	if err != nil {
		return err
	}
	to, err := read(files[1])
	if err != nil {
		return err
	}
	var known []told
	if err := json.NewDecoder(in).Decode(&known); err != nil {
		return fmt.Errorf("what oasdiff tells: %w", err)
	}
	var lines []string
	for _, change := range known {
		kind := "break"
		if change.Level < 2 {
			kind = "addition"
		}
		where := strings.TrimSpace(change.Operation + " " + change.Path)
		if where == "" {
			where = change.Section
		}
		lines = append(lines, kind+" "+where+": "+strings.ReplaceAll(change.Text, "\n", " "))
	}
	isLookedAt := lookedAt(from, known)
	lines = append(lines, compare(besidePaths(from, isLookedAt), besidePaths(to, isLookedAt))...)
	for _, operation := range operationsOfBoth(from, to) {
		lines = append(lines, compareOperation(from, to, operation, known)...)
	}
	if len(lines) > 0 {
		_, err = fmt.Fprintln(out, strings.Join(lines, "\n"))
	}
	return err
}

// compare tells what of the first the second has no more, or has otherwise, and what it has beside.
func compare(from, to map[string]string) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(from)) {
		switch now, is := to[name]; {
		case !is:
			lines = append(lines, "break "+name+": is gone")
		case now != from[name]:
			lines = append(lines, "break "+name+": is another one")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(to)) {
		if _, was := from[name]; !was {
			lines = append(lines, "addition "+name+": is new")
		}
	}
	return lines
}

// besidePaths answers what a contract has beside its paths: by its value what is looked at here, and by its name alone what
// oasdiff looks at. The tags are but headings of a page.
func besidePaths(c contract, isLookedAt func(component string) bool) map[string]string {
	facts := map[string]string{}
	for name, value := range c {
		if name != "paths" && name != "components" && name != "tags" {
			facts[name] = c.text(value)
		}
	}
	for kind, components := range members(c["components"]) {
		for name, value := range members(components) {
			component := "components/" + kind + "/" + name
			facts[component] = ""
			if !isLookedAt(component) {
				facts[component] = c.text(value)
			}
		}
	}
	return facts
}

// lookedAt tells the components at which oasdiff looks: those that the operations came by, and the security schemes where it
// told something of one.
func lookedAt(from contract, known []told) func(component string) bool {
	referred := from.referred()
	isToldOfSchemes := slices.ContainsFunc(known, func(t told) bool { return t.Section == "components" })
	return func(component string) bool {
		return referred[component] || isToldOfSchemes && strings.HasPrefix(component, "components/securitySchemes/")
	}
}

// operation is a place below paths.
type operation struct{ path, method string }

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// operationsOfBoth answers the operations that both contracts have; oasdiff tells the others.
func operationsOfBoth(from, to contract) []operation {
	var all []operation
	for _, path := range slices.Sorted(maps.Keys(members(from["paths"]))) {
		for _, method := range methods {
			if at(from["paths"], path, method) != nil && at(to["paths"], path, method) != nil {
				all = append(all, operation{path, method})
			}
		}
	}
	return all
}

func compareOperation(from, to contract, op operation, known []told) []string {
	where := strings.ToUpper(op.method) + " " + op.path
	before, after := at(from["paths"], op.path, op.method), at(to["paths"], op.path, op.method)
	var lines []string
	if was, is := at(before, "operationId"), at(after, "operationId"); was != nil && was != is {
		lines = append(lines, fmt.Sprintf("break %s: operationId %v is %v now", where, was, is))
	}
	lines = append(lines, compare(headers(from, before, where), headers(to, after, where))...)
	isTold := slices.ContainsFunc(known, func(t told) bool { return t.Path == op.path && strings.EqualFold(t.Operation, op.method) })
	if isTold || len(lines) > 0 {
		return lines
	}
	if from.text(before) != to.text(after) || from.text(shared(from, op)) != to.text(shared(to, op)) {
		lines = append(lines, "break "+where+": is another one, where oasdiff doesn't look")
	}
	return lines
}

// shared is what a path says for all of its operations.
func shared(c contract, op operation) map[string]any {
	item := maps.Clone(members(at(c["paths"], op.path)))
	maps.DeleteFunc(item, func(name string, _ any) bool { return slices.Contains(methods, name) })
	return item
}

// headers answers each header of an operation's answers.
func headers(c contract, op any, where string) map[string]string {
	facts := map[string]string{}
	for status, response := range members(at(op, "responses")) {
		for name, header := range members(at(c.resolved(response), "headers")) {
			facts[fmt.Sprintf("%s %s, header %s", where, status, name)] = c.text(header)
		}
	}
	return facts
}
