package impltest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/latchkey-auth/latchkey/gen/api"
)

// everyAnswer marks the contract's header components that every response carries. The name of the
// component is the name of the header. A response declares only headers of its own. If it declares
// one with the same name, that one replaces the common one.
const everyAnswer = "x-latchkey-every-answer"

// judgedContract returns the contract in the form that the judges read: each response also declares
// the common headers.
var judgedContract = sync.OnceValue(func() []byte {
	var doc map[string]any
	if err := json.Unmarshal(api.ContractJSON, &doc); err != nil {
		panic(err)
	}
	names := commonHeaders(doc)
	for _, response := range responses(doc) {
		headers := object(response, "headers")
		for _, name := range names {
			if headers[name] == nil {
				headers[name] = map[string]any{"$ref": "#/components/headers/" + name}
			}
		}
		response["headers"] = headers
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err) // it came from JSON
	}
	return text
})

// commonHeaders returns the names of the headers that every response carries.
func commonHeaders(doc map[string]any) []string {
	var names []string
	for name, header := range object(object(doc, "components"), "headers") {
		if marked, _ := header.(map[string]any)[everyAnswer].(bool); marked {
			names = append(names, name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// responses returns the responses of all operations and those of the components. The key is the
// place in the contract.
func responses(doc map[string]any) map[string]map[string]any {
	all := map[string]map[string]any{}
	note := func(place string, responses map[string]any) {
		for name, response := range responses {
			if response := response.(map[string]any); response["$ref"] == nil {
				all[place+" "+name] = response
			}
		}
	}
	note("components", object(object(doc, "components"), "responses"))
	for path, item := range object(doc, "paths") {
		for method, op := range item.(map[string]any) {
			if op, ok := op.(map[string]any); ok {
				note(method+" "+path, object(op, "responses"))
			}
		}
	}
	return all
}

// object returns the member of this name, or an empty object if there is none.
func object(in map[string]any, name string) map[string]any {
	member, ok := in[name].(map[string]any)
	if !ok {
		return map[string]any{}
	}
	return member
}

// CheckCommonHeaders returns what is wrong with the headers that every response carries. It is for
// responses that no operation declares, such as a page. The map own holds the headers whose value
// differs from the contract's.
func CheckCommonHeaders(h http.Header, own ...string) error {
	for name, ref := range Contract().Components.Headers {
		marked, _ := ref.Value.Extensions[everyAnswer].(bool)
		if !marked || slices.Contains(own, name) {
			continue
		}
		values := h.Values(name)
		if len(values) > 1 || len(values) == 0 && ref.Value.Required {
			return fmt.Errorf("header %s is sent %d times", name, len(values))
		}
		for _, v := range values {
			if err := checkHeaderValue(ref.Value.Schema.Value, v); err != nil {
				return fmt.Errorf("header %s: %w", name, err)
			}
		}
	}
	for _, name := range own {
		if len(h.Values(name)) != 1 {
			return fmt.Errorf("header %s is sent %d times", name, len(h.Values(name)))
		}
	}
	return nil
}
