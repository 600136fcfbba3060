package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/oasdiff/yaml"
)

// contract is one as a program can see it: without its words, its examples and its version.
type contract map[string]any

func read(file string) (contract, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var c contract
	if _, err := yaml.Unmarshal(text, &c, yaml.DecodeOpts{}); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	delete(c, "info")
	bare(map[string]any(c), "")
	return c, nil
}

// words are the members that no program goes by. Below properties they are names of the contract's own.
var words = []string{"description", "summary", "example", "examples", "externalDocs"}

// bare takes the words off a value that stands under a name.
func bare(value any, name string) {
	switch value := value.(type) {
	case map[string]any:
		for member, below := range value {
			if name != "properties" && slices.Contains(words, member) {
				delete(value, member)
				continue
			}
			bare(below, member)
		}
	case []any:
		if name == "enum" || name == "required" {
			slices.SortFunc(value, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		for _, below := range value {
			bare(below, "")
		}
	}
}

// at answers what stands at a place, and nil where there is nothing.
func at(value any, names ...string) any {
	for _, name := range names {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func members(value any) map[string]any {
	object, _ := value.(map[string]any)
	return object
}

// target is what a reference into the contract is to, as names.
func target(value any) []string {
	ref, _ := at(value, "$ref").(string)
	path, isLocal := strings.CutPrefix(ref, "#/")
	if !isLocal {
		return nil
	}
	names := strings.Split(path, "/")
	for i, name := range names {
		names[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	return names
}

// resolved answers a value with what it refers to in place of the references, one that is within itself aside.
func (c contract) resolved(value any, within ...string) any {
	if names := target(value); names != nil {
		ref := strings.Join(names, "/")
		if slices.Contains(within, ref) {
			return value
		}
		return c.resolved(at(map[string]any(c), names...), append(slices.Clone(within), ref)...)
	}
	switch value := value.(type) {
	case map[string]any:
		copied := map[string]any{}
		for name, below := range value {
			copied[name] = c.resolved(below, within...)
		}
		return copied
	case []any:
		copied := make([]any, len(value))
		for i, below := range value {
			copied[i] = c.resolved(below, within...)
		}
		return copied
	}
	return value
}

// text is a value in one spelling.
func (c contract) text(value any) string {
	text, err := json.Marshal(c.resolved(value)) // sorts the members
	if err != nil {
		panic(err) // it came from YAML's part that is JSON
	}
	return string(text)
}

// referred answers the components that the operations come by, such as components/schemas/User.
func (c contract) referred() map[string]bool {
	found := map[string]bool{}
	var walk func(any)
	walk = func(value any) {
		if names := target(value); names != nil {
			if ref := strings.Join(names, "/"); !found[ref] {
				found[ref] = true
				walk(at(map[string]any(c), names...))
			}
		}
		switch value := value.(type) {
		case map[string]any:
			for _, below := range value {
				walk(below)
			}
		case []any:
			for _, below := range value {
				walk(below)
			}
		}
	}
	walk(c["paths"])
	return found
}
