package mail

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"

	"github.com/latchkey-auth/latchkey/gen/api"
)

//go:embed templates
var embedded embed.FS

// defaultLanguage is for letters whose language has no templates.
const defaultLanguage = "en"

// Templates are the texts of all mails in all languages. They are safe for concurrent use.
type Templates struct {
	byLanguage map[string]map[Kind]template
}

// template is one mail in one language.
type template struct {
	subject, text *texttemplate.Template
	html          *htmltemplate.Template
}

// Content is a mail that was written.
type Content struct {
	Language, Subject, Text, HTML string
}

// LoadTemplates returns the embedded templates, each replaced by the file of the same name in
// folder if there is one: `<language>/<kind>.txt` and `<language>/<kind>.html`. An empty folder
// name replaces none. A language that isn't embedded needs a file for each kind.
//
// Each template is executed with the contract's example. The error names the file, and the line of
// a field that the data doesn't have.
func LoadTemplates(folder string) (*Templates, error) {
	sources, err := readSources(folder)
	if err != nil {
		return nil, err
	}
	t := &Templates{byLanguage: map[string]map[Kind]template{}}
	var errs []error
	for _, language := range sortedKeys(sources) {
		t.byLanguage[language] = map[Kind]template{}
		for _, kind := range Kinds() {
			parsed, err := parse(sources[language][string(kind)+".txt"], sources[language][string(kind)+".html"])
			if err == nil {
				err = try(parsed, kind)
			}
			t.byLanguage[language][kind] = parsed
			errs = append(errs, err)
		}
	}
	return t, errors.Join(errs...)
}

// Languages returns the languages that have templates.
func (t *Templates) Languages() []string { return sortedKeys(t.byLanguage) }

// Write executes the templates of a kind. A language such as "de-AT" falls back to "de", and an
// unknown one to English.
func (t *Templates) Write(kind Kind, language string, data any) (Content, error) {
	language = strings.ToLower(strings.ReplaceAll(language, "_", "-"))
	if t.byLanguage[language] == nil {
		language, _, _ = strings.Cut(language, "-")
	}
	if t.byLanguage[language] == nil {
		language = defaultLanguage
	}
	template, ok := t.byLanguage[language][kind]
	if !ok {
		return Content{}, fmt.Errorf("%w: %q", ErrUnknownKind, kind)
	}
	if got := reflect.TypeOf(data); got != dataOf[kind] {
		return Content{}, fmt.Errorf("mail: the data of %s is of the type %v, must be %v", kind, got, dataOf[kind])
	}
	content, err := template.execute(data)
	content.Language = language
	return content, err
}

// source is the text of one file.
type source struct{ name, text string }

// readSources returns the files by language and name, those of the folder in place of the embedded
// ones.
func readSources(folder string) (map[string]map[string]source, error) {
	sources := map[string]map[string]source{}
	if err := addSources(sources, embedded, "templates", "impl/mail/templates"); err != nil {
		return nil, err
	}
	if folder != "" {
		if err := addSources(sources, os.DirFS(folder), ".", folder); err != nil {
			return nil, err
		}
	}
	var missing []error
	for _, language := range sortedKeys(sources) {
		for _, kind := range Kinds() {
			for _, ending := range []string{".txt", ".html"} {
				if name := string(kind) + ending; sources[language][name].name == "" {
					missing = append(missing, fmt.Errorf("%s is missing", filepath.Join(folder, language, name)))
				}
			}
		}
	}
	return sources, errors.Join(missing...)
}

// addSources adds the files in the folders of root. It follows links and leaves out names that
// begin with a dot, because Kubernetes mounts a ConfigMap as links into a folder `..data`.
func addSources(sources map[string]map[string]source, files fs.FS, root, shown string) error {
	languages, err := visible(files, root, shown)
	if err != nil {
		return err
	}
	for _, language := range languages {
		folder := path.Join(root, language)
		names, err := visible(files, folder, filepath.Join(shown, language))
		if err != nil {
			return err
		}
		for _, name := range names {
			at := filepath.Join(shown, language, name)
			kind, ending, _ := strings.Cut(name, ".")
			if dataOf[Kind(kind)] == nil || ending != "txt" && ending != "html" || !isLanguage(language) {
				return noTemplate(at)
			}
			text, err := fs.ReadFile(files, path.Join(folder, name))
			if err != nil {
				return failedAt(at, err)
			}
			if sources[language] == nil {
				sources[language] = map[string]source{}
			}
			sources[language][name] = source{at, strings.ReplaceAll(string(text), "\r\n", "\n")}
		}
	}
	return nil
}

// visible returns the names in a folder that don't begin with a dot.
func visible(files fs.FS, folder, shown string) ([]string, error) {
	info, err := fs.Stat(files, folder)
	if err == nil && !info.IsDir() {
		return nil, noTemplate(shown)
	}
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil, failedAt(shown, err)
	}
	var names []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

func noTemplate(at string) error {
	const names = "<language>/<mail>.txt and <language>/<mail>.html, in lower case"
	return fmt.Errorf("%s is no template: the names are %s", at, names)
}

// failedAt names the place of an error, whose own path begins in the folder.
func failedAt(at string, err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("%s: %w", at, err)
}

// isLanguage reports whether a folder is named as a language, such as "de", "de-at" or "es-419".
func isLanguage(name string) bool {
	isOdd := func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }
	return len(name) >= 2 && len(name) <= 16 && !strings.ContainsFunc(name, isOdd)
}

// parse parses the two files of a mail. The first line of the text is the subject. The text keeps
// an empty line in its place, so that the lines in errors are those of the file.
func parse(text, html source) (template, error) {
	subject, body, _ := strings.Cut(text.text, "\n")
	var t template
	var errs [3]error
	option := "missingkey=error"
	t.subject, errs[0] = texttemplate.New(text.name).Option(option).Parse(subject)
	t.text, errs[1] = texttemplate.New(text.name).Option(option).Parse("\n" + body)
	t.html, errs[2] = htmltemplate.New(html.name).Option(option).Parse(html.text)
	return t, errors.Join(errs[:]...)
}

func (t template) execute(data any) (Content, error) {
	var subject, text, html strings.Builder
	err := cmp.Or(t.subject.Execute(&subject, data), t.text.Execute(&text, data), t.html.Execute(&html, data))
	if err != nil {
		return Content{}, err
	}
	return Content{
		Subject: oneLine(subject.String()),
		Text:    strings.Trim(text.String(), "\n") + "\n",
		HTML:    html.String(),
	}, nil
}

// oneLine replaces everything that could end a header by a space.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return r <= ' ' || r == 0x7F || r == 0x85 || r == 0x2028 || r == 0x2029
	}), " ")
}

// try executes a template with the contract's example, and with the example without its optional
// parts.
func try(t template, kind Kind) error {
	example, err := Example(kind)
	if err != nil {
		return err
	}
	for _, data := range []any{example, required(example)} {
		content, err := t.execute(data)
		if err != nil {
			return err
		}
		if content.Subject == "" || len(content.Subject) > maxSubject {
			return fmt.Errorf("%s:1: the first line is the subject, of 1 to %d bytes", t.text.Name(), maxSubject)
		}
		if line := loads(content.HTML); line > 0 {
			return fmt.Errorf("%s: line %d of the mail loads something from elsewhere, "+
				"which tells others that it was read", t.html.Name(), line)
		}
	}
	return nil
}

// maxSubject bounds a subject. Readers of mail cut it long before.
const maxSubject = 200

// required returns the data without its optional members, which are pointers.
func required(data any) any {
	v := reflect.New(reflect.TypeOf(data)).Elem()
	v.Set(reflect.ValueOf(data))
	for _, field := range v.Fields() {
		if field.Kind() == reflect.Pointer {
			field.SetZero()
		}
	}
	return v.Interface()
}

// contractExamples returns the examples of the contract's schemas by their names.
var contractExamples = sync.OnceValues(func() (map[string]json.RawMessage, error) {
	var contract struct {
		Components struct {
			Schemas map[string]struct{ Example json.RawMessage }
		}
	}
	if err := json.Unmarshal(api.ContractJSON, &contract); err != nil {
		return nil, fmt.Errorf("mail: read the contract: %w", err)
	}
	examples := map[string]json.RawMessage{}
	for name, schema := range contract.Components.Schemas {
		examples[name] = schema.Example
	}
	return examples, nil
})

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
