// Command bare prints what a program can see of the contracts that are named, one line of JSON for each: without their
// words, their examples and their version.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/oasdiff/yaml"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run(files []string) error {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var contract map[string]any
		if _, err := yaml.Unmarshal(text, &contract, yaml.DecodeOpts{}); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		delete(contract, "info")
		bare(contract, "")
		line, err := json.Marshal(contract) // sorts the members
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return nil
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
