package contract

import (
	"fmt"
	"math"
	"strings"

	"github.com/go-json-experiment/json"
)

// extensionPrefix is what the names of this service's own extensions begin with.
const extensionPrefix = "x-latchkey-"

const (
	extensionOptionalToken = extensionPrefix + "optional-token"
	// extensionMaxAge is a number of seconds.
	extensionMaxAge = extensionPrefix + "max-age"
)

// extension says where an extension may stand and what it may be.
type extension struct {
	place string
	is    func(value any) bool
}

const (
	placeDocument  = "document"
	placeOperation = "operation"
	placeHeader    = "component header"
)

// extensions is the closed list.
var extensions = map[string]extension{
	extensionOptionalToken:           {placeOperation, isA[bool]},
	extensionMaxAge:                  {placeOperation, isSeconds},
	extensionPrefix + "problems":     {placeDocument, isA[map[string]any]},
	extensionRoles:                   {placeDocument, isRoles},
	extensionPrefix + "every-answer": {placeHeader, isA[bool]},
}

func isA[T any](value any) bool {
	_, ok := value.(T)
	return ok
}

// isSeconds reports whether a value is a whole number of seconds, at least one and at most a day.
func isSeconds(value any) bool {
	seconds, ok := value.(float64)
	return ok && seconds == math.Trunc(seconds) && seconds >= 1 && seconds <= 86400
}

// checkExtensions looks at the whole document. An extension that is misspelled, or that stands
// where nobody reads it, would otherwise be a rule that nobody enforces.
func checkExtensions(document []byte) error {
	var root any
	if err := json.Unmarshal(document, &root); err != nil {
		return err
	}
	return walkExtensions(root, nil)
}

func walkExtensions(value any, path []string) error {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if strings.HasPrefix(name, extensionPrefix) {
				if err := checkExtension(name, member, path); err != nil {
					return err
				}
				continue
			}
			if err := walkExtensions(member, append(path, name)); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range value {
			if err := walkExtensions(item, append(path, "[]")); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkExtension(name string, value any, path []string) error {
	at := "/" + strings.Join(path, "/")
	known, ok := extensions[name]
	switch {
	case !ok:
		return fmt.Errorf("%s: the extension %s is not known here", at, name)
	case known.place != placeOf(path):
		return fmt.Errorf("%s: the extension %s stands at a %s and nowhere else", at, name, known.place)
	case !known.is(value):
		return fmt.Errorf("%s: the extension %s has a value of another type", at, name)
	}
	return nil
}

func placeOf(path []string) string {
	switch {
	case len(path) == 0:
		return placeDocument
	case len(path) == 3 && path[0] == "paths":
		return placeOperation
	case len(path) == 3 && path[0] == "components" && path[1] == "headers":
		return placeHeader
	}
	return "other place"
}
