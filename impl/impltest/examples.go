package impltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// What the contract shows of an error is what the server answers, word by word; but for the request's id, which is new each time.

// answered knows the errors that the tests were answered, by what [withoutID] leaves of their bodies.
var answered sync.Map

// remember keeps an error's body, for [checkExamples].
func remember(body []byte) {
	var value map[string]any
	if json.Unmarshal(body, &value) == nil {
		answered.Store(withoutID(value), true)
	}
}

func withoutID(value map[string]any) string {
	value = maps.Clone(value)
	delete(value, "request_id")
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // it came from JSON
	}
	return string(text)
}

// checkExamples refuses an error of the contract without an example for each of its codes, and an example that no test was
// answered.
func checkExamples() error {
	var all []error
	for where, response := range errorResponses() {
		for _, media := range response.Content {
			for _, code := range codesOf(media.Schema.Value) {
				if err := checkExample(media.Examples[code], code); err != nil {
					all = append(all, fmt.Errorf("%s, %s: %w", where, code, err))
				}
			}
		}
	}
	return errors.Join(all...)
}

func checkExample(example *openapi3.ExampleRef, code string) error {
	if example == nil {
		return errors.New("there is no example of this name")
	}
	value, _ := example.Value.Value.(map[string]any)
	if value["code"] != code {
		return errors.New("the example has another code")
	}
	if _, ok := answered.Load(withoutID(value)); !ok {
		return errors.New("no test was answered what the example shows")
	}
	return nil
}

// errorResponses are those of the operations, and those that stand for every path.
func errorResponses() map[string]*openapi3.Response {
	all := map[string]*openapi3.Response{}
	for name, response := range Contract().Components.Responses {
		all[name] = response.Value
	}
	for _, item := range Contract().Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				if code, err := strconv.Atoi(status); err == nil && code >= http.StatusBadRequest {
					all[op.OperationID+" "+status] = response.Value
				}
			}
		}
	}
	return all
}

// codesOf answers the codes that a problem's schema lets be.
func codesOf(schema *openapi3.Schema) []string {
	var codes []string
	for _, part := range append(slices.Clone(schema.AllOf), &openapi3.SchemaRef{Value: schema}) {
		if code := part.Value.Properties["code"]; code != nil {
			for _, value := range code.Value.Enum {
				codes = append(codes, value.(string))
			}
		}
	}
	return codes
}
