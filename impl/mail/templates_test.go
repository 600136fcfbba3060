package mail

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"
)

// loaded are the embedded templates, which every test may use.
var loaded = sync.OnceValues(func() (*Templates, error) { return LoadTemplates("") })

func templates(tb testing.TB) *Templates {
	tb.Helper()
	t, err := loaded()
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func example(tb testing.TB, kind Kind) any {
	tb.Helper()
	data, err := Example(kind)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// The two forms of a mail have the same content, with and without the optional parts.
func TestTextAndHTMLAreTheSame(t *testing.T) {
	t.Parallel()
	all := templates(t)
	if got := strings.Join(all.Languages(), " "); got != "de en" {
		t.Errorf("the languages are %s", got)
	}
	for _, language := range all.Languages() {
		for _, kind := range Kinds() {
			for _, data := range []any{example(t, kind), required(example(t, kind))} {
				content, err := all.Write(kind, language, data)
				if err != nil {
					t.Fatal(err)
				}
				title, body := readHTML(content.HTML)
				if title != content.Subject {
					t.Errorf("%s %s: the title is %q, the subject %q", language, kind, title, content.Subject)
				}
				if text := strings.Join(strings.Fields(content.Text), " "); text != body || text == "" {
					t.Errorf("%s %s: the text is\n%s\nand the HTML\n%s", language, kind, text, body)
				}
			}
		}
	}
}

// readHTML returns the title and the words of a page.
func readHTML(page string) (title, body string) {
	var words []string
	tokens := html.NewTokenizer(strings.NewReader(page))
	for in := ""; ; {
		kind := tokens.Next()
		token := tokens.Token()
		switch {
		case kind == html.ErrorToken:
			return title, strings.Join(words, " ")
		case kind == html.StartTagToken:
			in = token.Data
		case kind == html.TextToken && in == "title":
			title, in = token.Data, ""
		case kind == html.TextToken:
			words = append(words, strings.Fields(token.Data)...)
		}
	}
}

// A file in the folder replaces the embedded one of its name, and no other.
func TestReplacedTemplate(t *testing.T) {
	t.Parallel()
	files := map[string]string{"de/login_code.txt": "Ihr Code\r\n\r\nEr lautet {{.Code}}.\r\n"}
	for _, kind := range Kinds() {
		files["es-419/"+string(kind)+".txt"], files["es-419/"+string(kind)+".html"] = "Hola\n", "<p>90210347"
	}
	dir := folder(t, files)
	all, err := LoadTemplates(dir)
	if err != nil {
		t.Fatal(err)
	}
	for language, want := range map[string]string{
		"es-419": "Hola",
		"de":     "Ihr Code", "de-AT": "Ihr Code", "de_CH": "Ihr Code", "DE": "Ihr Code", "en": "Your code: 90210347", "": "Your code: 90210347",
		"fr": "Your code: 90210347", "../de": "Your code: 90210347",
	} {
		content, err := all.Write(LoginCode, language, example(t, LoginCode))
		if err != nil || content.Subject != want || content.Text == "" || !strings.Contains(content.HTML, "90210347") {
			t.Errorf("%q: %v, %+v", language, err, content)
		}
	}
}

// A folder may be a mounted ConfigMap of Kubernetes: links into a hidden folder that is replaced as
// a whole. Other hidden files are left out too.
func TestMountedTemplates(t *testing.T) {
	t.Parallel()
	for name, links := range map[string]map[string]string{
		"one for all languages": {"..data": "..2026", "de": "..data/de"},
		"one for a language":    {"de/..data": "../..2026/de", "de/login_code.txt": "..data/login_code.txt"},
	} {
		dir := folder(t, map[string]string{
			"..2026/de/login_code.txt": "Ihr Code\n\nEr lautet {{.Code}}.\n", ".DS_Store": "", "en/.gitkeep": "",
		})
		for link, to := range links {
			at := filepath.Join(dir, filepath.FromSlash(link))
			if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.Symlink(to, at)); err != nil {
				t.Fatal(err)
			}
		}
		all, err := LoadTemplates(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		content, err := all.Write(LoginCode, "de", example(t, LoginCode))
		if err != nil || content.Subject != "Ihr Code" {
			t.Errorf("%s: %v, %+v", name, err, content)
		}
	}
	dir := folder(t, map[string]string{"en/login_code.html": "<p>{{.Code}}"})
	if err := os.Symlink("none", filepath.Join(dir, "en", "login_code.txt")); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadTemplates(dir); err == nil || !strings.Contains(err.Error(), "en/login_code.txt: no such file") {
		t.Errorf("a link to nothing: got %v", err)
	}
}

// A mistake in a template is found when it is loaded, with its file and line.
func TestWrongTemplates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ file, text, want string }{
		"a wrong field":           {"en/login_code.txt", "Code\n\nHello\n{{.Cod}}\n", "en/login_code.txt:4:2: executing"},
		"in the subject":          {"en/login_code.txt", "{{.Cod}}\n", "en/login_code.txt:1:2: executing"},
		"in the HTML":             {"de/login_code.html", "<p>\n{{.Cod}}</p>", "de/login_code.html:2:2: executing"},
		"of another mail":         {"en/email_taken.txt", "A\n{{.Code}}", "en/email_taken.txt:2:2: executing"},
		"where the link is":       {"en/login_code.txt", "A\n{{with .Link}}{{.Code}}{{end}}", "en/login_code.txt:2:"},
		"where no link is":        {"en/login_code.txt", "A\n{{if not .Link}}{{.Cod}}{{end}}", "en/login_code.txt:2:"},
		"a key that is missing":   {"en/login_code.txt", "A\n{{(index . 1).A}}", "en/login_code.txt:2:"},
		"no template":             {"en/login_code.txt", "A\n\n{{", "en/login_code.txt:3:"},
		"no end":                  {"en/login_code.html", "{{if .Code}}", "en/login_code.html:1:"},
		"no subject":              {"en/login_code.txt", "\nHello", "en/login_code.txt:1: the first line is the subject"},
		"a long subject":          {"en/login_code.txt", strings.Repeat("a", 201), "en/login_code.txt:1: the first line"},
		"an unknown mail":         {"en/login_cod.txt", "A", "en/login_cod.txt is no template"},
		"no folder of a language": {"login_code.txt", "A", "login_code.txt is no template"},
		"upper case":              {"de-AT/login_code.txt", "A", "<mail>.html, in lower case"},
		"another ending":          {"en/login_code.md", "A", "en/login_code.md is no template"},
		"a language with one":     {"fr/login_code.txt", "A", "fr/account_deleted.txt is missing"},
		"all that it lacks":       {"fr/login_code.txt", "A", "fr/verify_email.html is missing"},
		"an image":                {"en/login_code.html", "<p>\n<img src='https://a.example/i.png'>", "en/login_code.html: line 2 "},
		"a relative image":        {"en/login_code.html", "<IMG SRC=i.png>", "loads something"},
		"a background":            {"en/login_code.html", "<p style='background: URL(https://a.example/i.png)'>", "loads something"},
		"a background attribute":  {"en/login_code.html", "<table background='//a.example'>", "loads something"},
		"a style sheet":           {"en/login_code.html", "<link rel=stylesheet href=a>", "loads something"},
		"an import":               {"en/login_code.html", "<style>@import 'a'</style>", "loads something"},
		"a script":                {"en/login_code.html", "<script>1</script>", "loads something"},
		"a refresh":               {"en/login_code.html", "<meta http-equiv=refresh content='0;url=a'>", "loads something"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := LoadTemplates(folder(t, map[string]string{test.file: test.text}))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	if _, err := LoadTemplates(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that doesn't exist is let through")
	}
	own := folder(t, map[string]string{"en/login_code.html": `<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><p>{{.Code}}</p>`})
	if _, err := LoadTemplates(own); err != nil {
		t.Errorf("an image inside the mail: %v", err)
	}
}

// The data of another mail is refused, and so is a kind that isn't one.
func TestWrongData(t *testing.T) {
	t.Parallel()
	all := templates(t)
	if _, err := all.Write(LoginCode, "en", example(t, ResetPassword)); err == nil {
		t.Error("the data of another mail is let through")
	}
	if _, err := all.Write("none", "en", nil); err == nil {
		t.Error("an unknown kind is let through")
	}
	if _, err := Example("none"); err == nil {
		t.Error("an unknown kind has an example")
	}
}

func folder(tb testing.TB, files map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}
