package impl

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	swaggerui "github.com/latchkey-auth/latchkey/gen/swagger-ui"
)

// Contract is the OpenAPI document in the two forms in which it is served, byte for byte.
type Contract struct {
	JSON, YAML []byte
}

//go:embed docs/index.html docs/initializer.js docs/docs.css
var docsFiles embed.FS

// docsPolicy lets Swagger UI's own files in and nothing else: no inline script or style, and no request to another host.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsPages are the interactive page and what it loads. They are the same for all servers of a process, so that each
// is hashed and compressed once.
var docsPages = map[string]*page{
	"/docs":                      newPage("text/html; charset=utf-8", embedded(docsFiles, "docs/index.html")).under(docsPolicy),
	"/docs/docs.css":             newPage("text/css; charset=utf-8", embedded(docsFiles, "docs/docs.css")),
	"/docs/initializer.js":       newPage("text/javascript; charset=utf-8", embedded(docsFiles, "docs/initializer.js")),
	"/docs/swagger-ui-bundle.js": newPage("text/javascript; charset=utf-8", embedded(swaggerui.Files, "swagger-ui-bundle.js")),
	"/docs/swagger-ui.css":       newPage("text/css; charset=utf-8", embedded(swaggerui.Files, "swagger-ui.css")),
}

// registerDocs serves the contract and Swagger UI, which shows it.
func registerDocs(e *echo.Echo, contract Contract) {
	for path, p := range docsPages {
		e.GET(path, p.serve)
	}
	// Relative, so that they lead to the page under a proxy's prefix too.
	e.GET("/", redirect("docs"))
	e.GET("/docs/", redirect("../docs"))
	// JSON is UTF-8 by definition, and application/yaml by default (RFC 9512), so neither type has a charset.
	e.GET("/openapi.json", newPage("application/json", func() []byte { return contract.JSON }).serve)
	e.GET("/openapi.yaml", newPage("application/yaml", func() []byte { return contract.YAML }).serve)
}

func redirect(location string) echo.HandlerFunc {
	return func(ec echo.Context) error { return ec.Redirect(http.StatusFound, location) }
}

// page is an answer that never changes while the process lives.
type page struct {
	contentType string
	policy      string // replaces the server's Content-Security-Policy unless empty
	plain       func() variant
	gzipped     func() variant
}

// variant is one encoding of a page. Each has its own tag, as a strong ETag stands for the bytes that are sent.
type variant struct {
	body []byte
	etag string
}

// newPage makes a page of what load answers. That is asked for at the first request, not at the start.
func newPage(contentType string, load func() []byte) *page {
	plain := sync.OnceValue(func() variant {
		body := load()
		sum := sha256.Sum256(body)
		return variant{body: body, etag: `"` + hex.EncodeToString(sum[:]) + `"`}
	})
	return &page{contentType: contentType, plain: plain, gzipped: sync.OnceValue(func() variant { return compress(plain()) })}
}

func (p *page) under(policy string) *page {
	p.policy = policy
	return p
}

func (p *page) serve(ec echo.Context) error {
	r, h := ec.Request(), ec.Response().Header()
	v := p.plain
	gzipped := acceptsGzip(r.Header.Values("Accept-Encoding"))
	if gzipped {
		v = p.gzipped
	}
	answer := v()

	// To be kept and asked for again: an upgraded server must not be described by an old contract.
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", answer.etag)
	h.Add("Vary", "Accept-Encoding")
	if p.policy != "" {
		h.Set("Content-Security-Policy", p.policy)
	}
	if matches(r.Header.Values("If-None-Match"), answer.etag) {
		return ec.NoContent(http.StatusNotModified)
	}
	if gzipped {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(answer.body)))
	return ec.Blob(http.StatusOK, p.contentType, answer.body)
}

// embedded reads a file that the binary contains; that it is there, the compiler and the tests have seen to.
func embedded(files embed.FS, name string) func() []byte {
	return func() []byte {
		body, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		return body
	}
}

func compress(plain variant) variant {
	var b bytes.Buffer
	// Neither the level is wrong nor can a buffer fail, so there is no error to see.
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = w.Write(plain.body)
	_ = w.Close()
	return variant{body: b.Bytes(), etag: strings.TrimSuffix(plain.etag, `"`) + `-gzip"`}
}

// matches compares an If-None-Match field with a tag as RFC 9110 section 13.1.2 demands: a list, weakly compared. A tag
// of ours has no comma, and none may have a quote inside, so that splitting at commas can't make up a match.
func matches(ifNoneMatch []string, etag string) bool {
	for candidate := range strings.SplitSeq(strings.Join(ifNoneMatch, ","), ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
			return true
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3): what it says of gzip counts more than what it says of `*`.
func acceptsGzip(acceptEncoding []string) bool {
	anyCoding := false
	for item := range strings.SplitSeq(strings.Join(acceptEncoding, ","), ",") {
		coding, parameter, _ := strings.Cut(item, ";")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return weight(parameter) > 0
		case "*":
			anyCoding = weight(parameter) > 0
		}
	}
	return anyCoding
}

// weight is 1 unless said, and 0 where it can't be read: then the plain answer is the safe one.
func weight(parameter string) float64 {
	name, value, found := strings.Cut(strings.TrimSpace(parameter), "=")
	if !found {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 0
	}
	return q
}
