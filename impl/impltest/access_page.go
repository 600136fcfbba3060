package impltest

import (
	"fmt"
	"os"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const accessHead = `# Who may do what

This page answers: who may send which operation, and what is everybody else answered?

- The tests make this page from [openapi.yaml](../openapi.yaml), and fail if it differs.
- The test ` + "`TestWhoMayDoWhat`" + ` sends each request of the tables to a server, and compares the answer.
- A cell has the code of the refusal. What the codes mean is at ` + "`/problems/<code>`" + ` of each server.

## Without a token

%s.

## With a token of the user

"Own" means that the operation is allowed, and reaches nothing but the caller's own account. Also an operator reaches
nobody else by these operations, whatever the scopes of the token.

%s
## For operators

"Yes" means that the operation is allowed, on every account. A token has only the scopes that its login has asked for
(` + "`scope`" + `), and they count as long as a role of the user holds them. [Operators](operators.md) has the way.

%s
## Roles

| role | scopes |
| --- | --- |
%s`

// AccessPage returns who may do what by a contract.
func AccessPage(contract *openapi3.T) string {
	var open []string
	var own, operators, roles strings.Builder
	for _, o := range operationsOf(contract) {
		switch {
		case !o.IsGuarded():
			open = append(open, "`"+o.ID+"`")
		case len(o.Scopes()) == 0:
			writeAccess(&own, o, "own")
		default:
			writeAccess(&operators, o, "yes")
		}
	}
	for _, role := range (Operation{contract: contract}).roles() {
		held := contract.Extensions["x-latchkey-roles"].(map[string]any)[role].([]any)
		fmt.Fprintf(&roles, "| %s | `%s` |\n", role, strings.Trim(fmt.Sprint(held), "[]"))
	}
	return fmt.Sprintf(accessHead, wrapped(open), own.String(), operators.String(), roles.String())
}

// writeAccess writes the row of an operation, and before the first one the head of the table.
func writeAccess(b *strings.Builder, o Operation, allowed string) {
	head, rule, row := "| operation", "| ---", "| `"+o.ID+"`"
	if scopes := o.Scopes(); len(scopes) > 0 {
		head, rule, row = head+" | scope", rule+" | ---", row+" | `"+strings.Join(scopes, " ")+"`"
	}
	for _, s := range Senders(o) {
		cell := allowed
		if code := Refusal(o, s); code != "" {
			cell = "`" + code + "`"
		}
		head, rule, row = head+" | "+s.Name, rule+" | ---", row+" | "+cell
	}
	if b.Len() == 0 {
		b.WriteString(head + " |\n" + rule + " |\n")
	}
	b.WriteString(row + " |\n")
}

// wrapped joins words by commas, in lines of at most 120 bytes.
func wrapped(words []string) string {
	text, line := "", ""
	for i, word := range words {
		if i < len(words)-1 {
			word += ","
		}
		if len(line)+1+len(word) > 119 {
			text, line = text+line+"\n", ""
		} else if line != "" {
			line += " "
		}
		line += word
	}
	return text + line
}

// CheckAccessPage fails unless a file is [AccessPage]. With -update it writes the file.
func CheckAccessPage(file string) error {
	want := AccessPage(Contract())
	if *update {
		return os.WriteFile(file, []byte(want), 0o644)
	}
	got, err := os.ReadFile(file)
	if err == nil && string(got) != want {
		err = fmt.Errorf("%s differs from the contract; recreate it with: go test ./impl -run TestAccessPage -update", file)
	}
	return err
}
