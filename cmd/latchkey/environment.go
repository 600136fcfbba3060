package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/caarlos0/env/v11"
)

// maxSettingFile is the largest number of bytes that is read from an X_FILE. Settings are short,
// but a device such as /dev/zero never ends.
const maxSettingFile = 64 << 10

// readEnvironment returns the settings in the environment, and those in the files that it names. It
// also returns what is wrong with their names.
func readEnvironment(environ []string, known []setting) (values map[string]string, problems []string) {
	values = map[string]string{}
	files := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		of, isFile := strings.CutSuffix(name, "_FILE")
		switch {
		case isKnown(name, known):
			if value != "" {
				values[name] = value
			}
		case isFile && isKnown(of, known):
			if value != "" {
				files[of] = value
			}
		case isInjected(name, value):
		default:
			hint := "; latchkey serve --help lists all settings"
			if meant := nearest(name, known); meant != "" {
				hint = ", did you mean " + meant
			}
			problems = append(problems, name+" is not a setting"+hint)
		}
	}
	for name, path := range files {
		if _, both := values[name]; both {
			problems = append(problems, fmt.Sprintf("%s and %s_FILE are both set", name, name))
			continue
		}
		text, err := readSettingFile(path)
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s_FILE can't be read: %v", name, err))
			continue
		}
		values[name] = text
	}
	slices.Sort(problems)
	return values, problems
}

// Kubernetes sets variables with the addresses of Services called latchkey or latchkey-something.
// Its documentation describes them in "Discovering services". Most of these names can't be
// settings. A name that ends in PORT is Kubernetes' own only if its value is an address.
var (
	injected = regexp.MustCompile(`^LATCHKEY_([A-Z0-9_]+_)?` +
		`(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	injectedAddress = regexp.MustCompile(`^LATCHKEY_([A-Z0-9_]+_)?PORT=(tcp|udp|sctp)://`)
)

// isInjected reports whether a variable was set by an orchestrator, so that it isn't a setting.
func isInjected(name, value string) bool {
	return injected.MatchString(name) || injectedAddress.MatchString(name+"="+value)
}

func isKnown(name string, known []setting) bool {
	return slices.ContainsFunc(known, func(s setting) bool { return s.name == name })
}

// nearest returns the name of the setting that has the most words of a name, and of several the one
// that is the fewest edits away. It returns "" if no setting has one of the words or is spelled
// alike.
func nearest(name string, known []setting) string {
	base, isFile := strings.CutSuffix(name, "_FILE")
	words := strings.Split(strings.TrimPrefix(base, prefix), "_")
	edits := func(s setting) int { return levenshtein.ComputeDistance(base, s.name) }
	best := slices.MinFunc(known, func(a, b setting) int {
		return cmp.Or(cmp.Compare(sharedWords(b, words), sharedWords(a, words)), cmp.Compare(edits(a), edits(b)))
	})
	if sharedWords(best, words) == 0 && edits(best) > (len(base)-len(prefix))/2 {
		return ""
	}
	if isFile {
		return best.name + "_FILE"
	}
	return best.name
}

// sharedWords returns how many of the words the name of a setting has. DB stands for DATABASE: the
// letters of a word may be some of those of the other one, from its first letter on.
func sharedWords(s setting, words []string) (shared int) {
	for _, word := range words {
		if slices.ContainsFunc(strings.Split(strings.TrimPrefix(s.name, prefix), "_"), func(whole string) bool {
			if word == "" || word[0] != whole[0] {
				return false
			}
			rest := word
			for _, letter := range whole {
				rest = strings.TrimPrefix(rest, string(letter))
			}
			return rest == ""
		}) {
			shared++
		}
	}
	return shared
}

// readSettingFile returns the text of a file without the newline that editors add at its end.
func readSettingFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxSettingFile+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxSettingFile {
		return "", fmt.Errorf("%s is larger than %d bytes", path, maxSettingFile)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return value, nil
}

// unparsed converts the parser's errors, which name Go fields and types, into problems. The keys
// are names of settings without the prefix. A problem may repeat the value, because secrets are
// text, and text always parses.
func unparsed(err error, values map[string]string) (map[string]string, error) {
	broken := map[string]string{}
	var all env.AggregateError
	if err == nil {
		return broken, nil
	}
	if !errors.As(err, &all) {
		return nil, err
	}
	for _, err := range all.Errors {
		var parse env.ParseError
		if !errors.As(err, &parse) {
			return nil, err
		}
		for _, k := range known() {
			if k.field == parse.Name {
				broken[strings.TrimPrefix(k.name, prefix)] = fmt.Sprintf("is %q, must be %s", values[k.name], kindInWords(k.kind))
			}
		}
	}
	return broken, nil
}

func kindInWords(kind reflect.Type) string {
	if kind == reflect.TypeFor[time.Duration]() {
		return "a duration such as 15m"
	}
	return "a whole number"
}
