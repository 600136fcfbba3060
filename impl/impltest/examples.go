package impltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// An error example of the contract equals the server's response, except for the request id and the
// request for a code, which differ each time.

// answered holds the errors that tests received. The key is the place in the contract and the body
// as [withoutID] returns it.
var answered sync.Map

// remember records the body of an error for [checkExamples]. The place is an operation or one of
// the named responses.
func remember(where string, body []byte) {
	var value map[string]any
	if json.Unmarshal(body, &value) == nil {
		answered.Store(where+" "+withoutID(value), true)
	}
}

// placeOf returns the place of an error in the contract: the operation's id, or the name of the
// response to requests outside the operations.
func placeOf(method, path string) string {
	item := pathItem(path)
	switch {
	case item == nil:
		return responseNotFound
	case item.GetOperation(method) == nil:
		return responseMethodNotAllowed
	}
	return item.GetOperation(method).OperationID
}

func withoutID(value map[string]any) string {
	value = maps.Clone(value)
	delete(value, "request_id")
	delete(value, "request")
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // it came from JSON
	}
	return string(text)
}

// checkExamples fails if an error code of the contract has no example. It also fails if no test
// received an example from the same operation.
func checkExamples() error {
	all := []error{
		checkResponse(responseNotFound, Contract().Components.Responses[responseNotFound].Value),
		checkResponse(responseMethodNotAllowed, Contract().Components.Responses[responseMethodNotAllowed].Value),
	}
	for _, item := range Contract().Paths.Map() {
		for _, op := range item.Operations() {
			for _, response := range op.Responses.Map() {
				all = append(all, checkResponse(op.OperationID, response.Value))
			}
		}
	}
	return errors.Join(all...)
}

func checkResponse(where string, response *openapi3.Response) error {
	var all []error
	codes := codesOf(response)
	for _, media := range response.Content {
		for _, code := range codes {
			if err := checkExample(where, media.Examples[code], code); err != nil {
				all = append(all, fmt.Errorf("%s, %s: %w", where, code, err))
			}
		}
		for name := range media.Examples {
			if !slices.Contains(codes, name) {
				all = append(all, fmt.Errorf("%s: the example %s is of no code", where, name))
			}
		}
	}
	return errors.Join(all...)
}

func checkExample(where string, example *openapi3.ExampleRef, code string) error {
	if example == nil {
		return errors.New("there is no example of this name")
	}
	value, _ := example.Value.Value.(map[string]any)
	if value["code"] != code {
		return errors.New("the example has another code")
	}
	if _, ok := answered.Load(where + " " + withoutID(value)); !ok {
		return errors.New("no test received the response that the example shows")
	}
	return nil
}

// codesOf returns the codes that an error may have. A successful response has none.
func codesOf(response *openapi3.Response) []string {
	var codes []string
	for _, media := range response.Content {
		codes = append(codes, codesOfSchema(media.Schema.Value)...)
	}
	return codes
}

func codesOfSchema(schema *openapi3.Schema) []string {
	var codes []string
	if code := schema.Properties["code"]; code != nil {
		for _, value := range code.Value.Enum {
			codes = append(codes, value.(string))
		}
	}
	for _, part := range schema.AllOf {
		codes = append(codes, codesOfSchema(part.Value)...)
	}
	return codes
}

// Codes returns the codes of all errors that the contract declares, sorted.
func Codes() []string {
	var codes []string
	for _, response := range Contract().Components.Responses {
		codes = append(codes, codesOf(response.Value)...)
	}
	for _, o := range declared() {
		codes = append(codes, o.code)
	}
	codes = slices.DeleteFunc(codes, func(code string) bool { return code == "" })
	slices.Sort(codes)
	return slices.Compact(codes)
}
