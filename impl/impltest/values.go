package impltest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// A closed list of values is a promise in both directions. A client switches over it, so a value
// that is never sent is a branch that no client needs.

// sent holds the values that responses had. The key contains the schema that lists the value.
// Operations that refer to the same schema share its values.
var sent sync.Map

// listed is a value of a closed list.
type listed struct {
	schema *openapi3.Schema
	value  string
}

// visitListed calls f for each closed list in a schema, with its place. If value isn't nil it must
// have that schema. f then also gets the part of value at that place, and is called once for each
// such part.
func visitListed(schema *openapi3.Schema, at string, value any, f func(schema *openapi3.Schema, at string, value any)) {
	if len(schema.Enum) > 0 {
		f(schema, at, value)
	}
	for _, part := range schema.AllOf {
		visitListed(part.Value, at, value, f)
	}
	object, isObject := value.(map[string]any)
	for name, property := range schema.Properties {
		below, is := object[name]
		if value == nil || isObject && is {
			visitListed(property.Value, at+"/"+name, below, f)
		}
	}
	if schema.Items == nil {
		return
	}
	list, _ := value.([]any)
	if value == nil {
		list = []any{nil}
	}
	for _, one := range list {
		visitListed(schema.Items.Value, at+"/*", one, f)
	}
}

// rememberValues records the values of a response's closed lists, for [unsentValues].
func rememberValues(method, path string, res *http.Response, body []byte) {
	item := pathItem(path)
	if item == nil || item.GetOperation(method) == nil {
		return
	}
	response := item.GetOperation(method).Responses.Status(res.StatusCode)
	keep := func(schema *openapi3.Schema, _ string, value any) {
		sent.Store(listed{schema, fmt.Sprint(value)}, true)
	}
	for name, header := range response.Value.Headers {
		if text := res.Header.Get(name); text != "" {
			visitListed(header.Value.Schema.Value, name, text, keep)
		}
	}
	var value any
	if json.Unmarshal(body, &value) != nil || value == nil {
		return
	}
	for _, media := range response.Value.Content {
		visitListed(media.Schema.Value, "", value, keep)
	}
}

// unsentValues returns the declared values that no test has received, each with the first of its
// places.
func unsentValues() []string {
	places := map[listed]string{}
	for _, item := range Contract().Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				note := func(schema *openapi3.Schema, at string, _ any) {
					place := op.OperationID + " " + status + " " + at
					for _, value := range schema.Enum {
						key := listed{schema, fmt.Sprint(value)}
						if known := places[key]; known == "" || place < known {
							places[key] = place
						}
					}
				}
				for name, header := range response.Value.Headers {
					visitListed(header.Value.Schema.Value, name, nil, note)
				}
				for _, media := range response.Value.Content {
					visitListed(media.Schema.Value, "", nil, note)
				}
			}
		}
	}
	maps.DeleteFunc(places, func(key listed, _ string) bool { _, is := sent.Load(key); return is })
	var all []string
	for key, place := range places {
		all = append(all, strings.Join([]string{place, key.value}, " "))
	}
	slices.Sort(all)
	return all
}
