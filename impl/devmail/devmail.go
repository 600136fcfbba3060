// Package devmail serves the mails that were written to files, so that every flow can be tried
// without a mail server. The mails have codes, so this is for development only: who may see them is
// checked by package impl, before anything here is called.
package devmail

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"github.com/latchkey-auth/latchkey/impl/mail"
)

// Paths of the page and of the same as JSON.
const (
	Path     = "/dev/mails/"
	JSONPath = "/dev/mails.json"
)

// limit is how many mails are listed.
const limit = 100

const (
	// pagePolicy lets in the style sheet, the empty icon and the frame with the HTML of a mail.
	pagePolicy = "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; base-uri 'none'; " +
		"form-action 'none'; frame-ancestors 'none'"
	// mailPolicy is for the HTML of a mail, which may be anything: no script runs, and nothing is
	// loaded.
	mailPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; " +
		"form-action 'none'; frame-ancestors 'self'"
)

var (
	//go:embed pages.html
	pagesText string
	//go:embed devmail.css
	style []byte

	pages = template.Must(template.New("").Parse(pagesText))
)

// Mails serves the mails of a folder.
type Mails struct{ folder *mail.Folder }

// New returns what serves the mails of a folder.
func New(folder *mail.Folder) *Mails { return &Mails{folder} }

// Serve writes the response to a GET. It fails with [fs.ErrNotExist] for a path that isn't served.
//
//	/dev/mails/           the newest mails, as a page
//	/dev/mails.json       the same as JSON
//	/dev/mails/NAME       a mail
//	/dev/mails/NAME.html  its HTML, for a frame
//	/dev/mails/NAME.eml   its file
func (m *Mails) Serve(w http.ResponseWriter, r *http.Request) error {
	// A page of another origin can't embed a mail either, where the browser would let it.
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	name, isBelow := strings.CutPrefix(r.URL.Path, Path)
	switch {
	case r.URL.Path == strings.TrimSuffix(Path, "/"):
		w.Header().Set("Location", "mails/")
		w.WriteHeader(http.StatusFound)
		return nil
	case r.URL.Path == JSONPath || isBelow && name == "":
		return m.list(w, r.URL.Path == JSONPath)
	case name == "devmail.css":
		return send(w, "text/css; charset=utf-8", "", style)
	case isBelow:
		return m.one(w, name)
	}
	return fs.ErrNotExist
}

func (m *Mails) list(w http.ResponseWriter, asJSON bool) error {
	mails, err := m.folder.Newest(limit)
	if err != nil {
		return err
	}
	if !asJSON {
		return show(w, "list", mails)
	}
	body, err := json.MarshalIndent(map[string]any{"mails": mails}, "", "  ")
	if err != nil {
		return err
	}
	return send(w, "application/json", "", append(body, '\n'))
}

// one serves a mail in the form that the ending of the name asks for.
func (m *Mails) one(w http.ResponseWriter, name string) error {
	stem, isHTML := strings.CutSuffix(name, ".html")
	stem, isFile := strings.CutSuffix(stem, ".eml")
	written, err := m.folder.Read(stem)
	switch {
	case err != nil:
		return err
	case isHTML:
		return send(w, "text/html; charset=utf-8", mailPolicy, []byte(written.HTML))
	case isFile:
		return send(w, "text/plain; charset=utf-8", "", written.Source)
	}
	return show(w, "mail", written)
}

func show(w http.ResponseWriter, page string, data any) error {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, page, data); err != nil {
		return err
	}
	return send(w, "text/html; charset=utf-8", pagePolicy, body.Bytes())
}

// send writes a response, which no cache keeps.
func send(w http.ResponseWriter, contentType, policy string, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	if policy != "" {
		w.Header().Set("Content-Security-Policy", policy)
	}
	_, err := w.Write(body)
	return err
}
