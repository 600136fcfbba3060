// Package docs serves the interactive page, the contract byte for byte, and a page about each
// problem. Every page has a strong ETag for each of its encodings. It supports If-None-Match, and
// ranges of its uncompressed form.
package docs

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	swaggerui "github.com/latchkey-auth/latchkey/gen/swagger-ui"
)

// Contract is the OpenAPI document in the two forms in which it is served, byte for byte.
type Contract struct {
	JSON, YAML []byte
}

//go:embed index.html initializer.js docs.css latchkey.svg
var ownFiles embed.FS

// pagePolicy lets in the files of Swagger UI and nothing else: no inline script or style, and no
// request to another host.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const (
	typeHTML       = "text/html; charset=utf-8"
	typeCSS        = "text/css; charset=utf-8"
	typeJavaScript = "text/javascript; charset=utf-8"
	typeSVG        = "image/svg+xml"
)

// interactive are the interactive page and what it loads. All servers of a process share them, so
// each is hashed and compressed once.
var interactive = map[string]*page{
	"/docs":                      newPage(typeHTML, file(ownFiles, "index.html")).under(pagePolicy),
	"/docs/docs.css":             newPage(typeCSS, file(ownFiles, "docs.css")),
	"/docs/initializer.js":       newPage(typeJavaScript, file(ownFiles, "initializer.js")),
	"/docs/latchkey.svg":         newPage(typeSVG, file(ownFiles, "latchkey.svg")),
	"/docs/swagger-ui-bundle.js": newPage(typeJavaScript, file(swaggerui.Files, "swagger-ui-bundle.js")),
	"/docs/swagger-ui.css":       newPage(typeCSS, file(swaggerui.Files, "swagger-ui.css")),
}

// Pages returns the handlers of the pages by their paths, for GET.
func Pages(contract Contract, problems map[string]Problem) map[string]http.Handler {
	pages := map[string]http.Handler{
		// Relative, so that they lead to the page under the prefix of a proxy too.
		"/":      redirect("docs"),
		"/docs/": redirect("../docs"),
		// Neither type has a charset: JSON is UTF-8 by definition, YAML by default (RFC 9512).
		"/openapi.json": newPage("application/json", func() []byte { return contract.JSON }),
		"/openapi.yaml": newPage("application/yaml", func() []byte { return contract.YAML }),
	}
	for path, p := range interactive {
		pages[path] = p
	}
	for code, problem := range problems {
		pages[ProblemPath+code] = newPage(typeHTML, func() []byte { return problem.page(code) })
	}
	return pages
}

// redirect sends the location as it is. [http.Redirect] would make it absolute.
func redirect(location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusFound)
	}
}

// page is an answer that never changes while the process lives.
type page struct {
	contentType string
	policy      string // replaces the Content-Security-Policy of the server unless empty
	plain       func() variant
	gzipped     func() variant
}

// variant is one encoding of a page. Each has its own tag, because a strong ETag identifies the
// bytes that are sent.
type variant struct {
	body []byte
	etag string
}

// newPage returns a page with the body that load returns. load is called at the first request.
func newPage(contentType string, load func() []byte) *page {
	plain := sync.OnceValue(func() variant {
		body := load()
		sum := sha256.Sum256(body)
		return variant{body: body, etag: `"` + hex.EncodeToString(sum[:]) + `"`}
	})
	gzipped := sync.OnceValue(func() variant { return compress(plain()) })
	return &page{contentType: contentType, plain: plain, gzipped: gzipped}
}

func (p *page) under(policy string) *page {
	p.policy = policy
	return p
}

// ServeHTTP sends the page, or a range of it, or 304.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	v := p.plain
	// A range is a range of the plain form.
	gzipped := len(r.Header.Values("Range")) == 0 && acceptsGzip(r.Header.Values("Accept-Encoding"))
	if gzipped {
		v = p.gzipped
	}
	answer := v()
	if gzipped {
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(answer.body))) // ServeContent leaves it out
	}
	h.Set("Content-Type", p.contentType)
	// A cache may keep the page and must ask again: an old contract doesn't describe an upgraded
	// server.
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", answer.etag)
	h.Add("Vary", "Accept-Encoding")
	if p.policy != "" {
		h.Set("Content-Security-Policy", p.policy)
	}
	http.ServeContent(refusal{w}, oneList(r), "", time.Time{}, bytes.NewReader(answer.body))
}

// refusal gives an answer of 4xx a Cache-Control, which [http.ServeContent] takes away.
type refusal struct{ http.ResponseWriter }

// WriteHeader writes the head of the answer.
func (w refusal) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.ResponseWriter.WriteHeader(status)
}

// oneList returns the request with If-None-Match in one field. It is a list, which may be spread
// over several fields (RFC 9110 section 5.3), and [http.ServeContent] reads the first.
func oneList(r *http.Request) *http.Request {
	const name = "If-None-Match"
	fields := r.Header.Values(name)
	if len(fields) < 2 {
		return r
	}
	joined := r.WithContext(r.Context())
	joined.Header = r.Header.Clone()
	joined.Header.Set(name, strings.Join(fields, ", "))
	return joined
}

// file reads a file that the binary contains. The compiler and the tests show that it is there.
func file(files embed.FS, name string) func() []byte {
	return func() []byte {
		body, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		return body
	}
}
