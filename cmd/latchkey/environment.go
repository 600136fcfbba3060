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

// maxSettingFile bounds what is read from an X_FILE, in bytes: settings are short, and a device has no end.
const maxSettingFile = 64 << 10

// readEnvironment picks our variables from the environment and reads those that stand in files; and says what is
// wrong with their names.
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
			problems = append(problems, fmt.Sprintf("%s is not a setting, perhaps %s is meant", name, nearest(name, known)))
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

// What Kubernetes sets for the addresses of Services called latchkey or latchkey-something ("Discovering services" in its
// documentation): names that say so by themselves, and those that do where they hold an address.
var (
	injected        = regexp.MustCompile(`^LATCHKEY_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	injectedAddress = regexp.MustCompile(`^LATCHKEY_([A-Z0-9_]+_)?PORT=(tcp|udp|sctp)://`)
)

// isInjected reports whether an orchestrator has set a variable, so that it is no setting of ours.
func isInjected(name, value string) bool {
	return injected.MatchString(name) || injectedAddress.MatchString(name+"="+value)
}

func isKnown(name string, known []setting) bool {
	return slices.ContainsFunc(known, func(s setting) bool { return s.name == name })
}

// nearest is the setting whose name is the fewest edits away.
func nearest(name string, known []setting) string {
	base, isFile := strings.CutSuffix(name, "_FILE")
	best := slices.MinFunc(known, func(a, b setting) int {
		return cmp.Compare(levenshtein.ComputeDistance(base, a.name), levenshtein.ComputeDistance(base, b.name))
	})
	if isFile {
		return best.name + "_FILE"
	}
	return best.name
}

// readSettingFile is a file's text without the newline that an editor leaves at its end.
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

// unparsed turns the errors of the parser, which speak of Go's fields and types, into problems by the setting's
// name without its prefix. Secrets are text and always parse, so a problem may repeat the value.
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
