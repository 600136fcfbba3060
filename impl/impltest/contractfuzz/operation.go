package contractfuzz

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
)

// operation is what is needed of one operation of the contract.
type operation struct {
	id, method, path string
	// paths are all paths of the contract, and methods those that this path has.
	paths, methods []string
	// secured says that an access token must be sent.
	secured bool
	// token says that this is an endpoint of RFC 6749 or RFC 7009, at which only the body counts.
	token bool
	// statuses are those that are declared.
	statuses []string
	// bodiless are the statuses that are declared without content.
	bodiless []string
	// params are the parameters of the path.
	params []member

	// body is nil where none is taken.
	body     *object
	media    string
	required bool
	examples []map[string]any
}

// readOperations walks the contract, in an order that depends only on what is in it.
func readOperations(doc *openapi3.T) ([]*operation, error) {
	var all []*operation
	paths := slices.Sorted(maps.Keys(doc.Paths.Map()))
	for _, path := range paths {
		item := doc.Paths.Value(path)
		methods := slices.Sorted(maps.Keys(item.Operations()))
		for _, method := range methods {
			declared := item.GetOperation(method)
			op := &operation{
				id: declared.OperationID, method: method, path: path, paths: paths, methods: methods,
				token: slices.Contains(declared.Tags, tagTokens), statuses: slices.Sorted(maps.Keys(declared.Responses.Map())),
			}
			for status, response := range declared.Responses.Map() {
				if len(response.Value.Content) == 0 {
					op.bodiless = append(op.bodiless, status)
				}
			}
			if err := op.readParameters(append(slices.Clone(item.Parameters), declared.Parameters...)); err != nil {
				return nil, fmt.Errorf("%s: %w", op.id, err)
			}
			if err := op.readSecurity(doc, declared); err != nil {
				return nil, fmt.Errorf("%s: %w", op.id, err)
			}
			if err := op.readBody(declared.RequestBody); err != nil {
				return nil, fmt.Errorf("%s: %w", op.id, err)
			}
			all = append(all, op)
		}
	}
	return all, nil
}

// tagTokens marks the endpoints of RFC 6749 and RFC 7009.
const tagTokens = "tokens"

// readParameters reads those of the path, the only ones that are made.
func (op *operation) readParameters(all openapi3.Parameters) error {
	for _, ref := range all {
		if ref.Value.In != openapi3.ParameterInPath {
			return fmt.Errorf("nothing here makes parameters in the %s", ref.Value.In)
		}
		m, err := readMember(ref.Value.Schema.Value)
		if err != nil {
			return fmt.Errorf("parameter %s: %w", ref.Value.Name, err)
		}
		if m.kind != "string" {
			return fmt.Errorf("parameter %s: nothing here writes the type %s into a path", ref.Value.Name, m.kind)
		}
		m.name = ref.Value.Name
		op.params = append(op.params, m)
	}
	if strings.Count(op.path, "{") != len(op.params) {
		return fmt.Errorf("the path %s has other parameters than are declared", op.path)
	}
	return nil
}

func (op *operation) readSecurity(doc *openapi3.T, declared *openapi3.Operation) error {
	security := doc.Security
	if declared.Security != nil {
		security = *declared.Security
	}
	for _, alternative := range security {
		if len(alternative) == 0 {
			op.secured = false // none is needed, and a bad one is not looked at
			return nil
		}
		if len(alternative) != 1 {
			return fmt.Errorf("nothing here sends %d credentials at once", len(alternative))
		}
		for name := range alternative {
			scheme := doc.Components.SecuritySchemes[name].Value
			if scheme.Type != "oauth2" && (scheme.Type != "http" || scheme.Scheme != "bearer") {
				return fmt.Errorf("nothing here sends credentials of the scheme %s", name)
			}
		}
		op.secured = true
	}
	return nil
}

func (op *operation) readBody(ref *openapi3.RequestBodyRef) error {
	if ref == nil {
		return nil
	}
	if len(ref.Value.Content) != 1 {
		return fmt.Errorf("nothing here chooses among %d media types", len(ref.Value.Content))
	}
	op.required = ref.Value.Required
	for name, media := range ref.Value.Content {
		if name != mediaJSON && name != mediaForm {
			return fmt.Errorf("nothing here makes bodies of the type %s", name)
		}
		op.media = name
		body, err := readObject(media.Schema.Value)
		if err != nil {
			return err
		}
		op.body = body
		for _, example := range slices.Sorted(maps.Keys(media.Examples)) {
			if value, ok := media.Examples[example].Value.Value.(map[string]any); ok {
				op.examples = append(op.examples, value)
			}
		}
	}
	for _, m := range op.body.members {
		if op.media == mediaForm && m.kind != "string" {
			return fmt.Errorf("member %s: nothing here writes the type %s into a form", m.name, m.kind)
		}
	}
	return nil
}

// otherMethods are those that the path doesn't have.
func (op *operation) otherMethods() []string {
	return slices.DeleteFunc([]string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodTrace, "PROPFIND", "QUERY", "X", "LATCHKEY",
	}, func(method string) bool {
		return slices.Contains(op.methods, method) || method == http.MethodHead && slices.Contains(op.methods, http.MethodGet)
	})
}

// isPath tells whether the contract has a path: those below /api may lack their last slash.
func (op *operation) isPath(path string) bool {
	if strings.HasPrefix(path, "/api/") && !strings.HasSuffix(path, "/") {
		path += "/"
	}
	if path == "/" || path == "/docs/" {
		return true // it leads to the page
	}
	return slices.ContainsFunc(op.paths, func(template string) bool {
		want, got := strings.Split(template, "/"), strings.Split(path, "/")
		return slices.EqualFunc(want, got, func(want, got string) bool {
			return want == got || strings.HasPrefix(want, "{") && got != ""
		})
	})
}
