// Package contractfuzz makes requests from a contract's schemas: requests that are valid by construction, and requests that
// are broken in exactly one place. It judges the answers, and shares no code with the server.
//
// What is made is found by walking the document: an operation that is added is fuzzed from then on. What nothing here
// knows how to make (a keyword, a format, a parameter) is an error, so that nothing is left out silently.
package contractfuzz

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Options are what a contract doesn't say.
type Options struct {
	// Credentials answers an access token that the server accepts, and for each parameter of a path a value that stands for something
	// of that token's user. What is done with them may end them: they are asked for anew for each request.
	Credentials func() (token string, params map[string]string)
	// MaxBody is the largest body that the server reads, in bytes.
	MaxBody int
}

// Fuzzer makes requests. Its methods may be called from many goroutines if Options.Credentials may.
type Fuzzer struct {
	options       Options
	valid, broken []target
}

// target is one kind of request for one operation, as a change of a valid draft.
type target struct {
	operation *operation
	valid     bool
	kind      string
	// at is the member that it is about, if it is about one.
	at     string
	change func(*draft)
}

// New reads the contract.
func New(doc *openapi3.T, options Options) (*Fuzzer, error) {
	f := &Fuzzer{options: options}
	operations, err := readOperations(doc)
	if err != nil {
		return nil, err
	}
	for _, op := range operations {
		f.valid = append(f.valid, validTargets(op, options)...)
		f.broken = append(f.broken, brokenTargets(op, options)...)
	}
	return f, nil
}

// Rounds is how many requests must be made, from index 0 on, for each kind to be among them.
func (f *Fuzzer) Rounds() int { return 2 * max(len(f.valid), len(f.broken)) }

// Case makes the request with an index, from 0 on. It depends on nothing but the seed and the index (and on the credentials), so
// that each can be made alone; even ones are valid and odd ones broken, each kind in turn.
func (f *Fuzzer) Case(seed uint64, index int) *Case {
	targets := f.valid
	if index%2 == 1 {
		targets = f.broken
	}
	t := targets[index/2%len(targets)]
	d := newDraft(t.operation, rand.New(rand.NewPCG(seed, uint64(index))), f.options)
	d.valid = t.valid
	t.change(d)
	c := &Case{
		Operation: t.operation.id, Kind: t.kind, At: t.at, Valid: t.valid, Seed: seed, Index: index,
		Method: d.method, Target: d.path, Header: d.header, want: d.want, sent: d.fields, echoed: t.operation.media == mediaJSON, bodiless: t.operation.bodiless,
	}
	if d.query != "" {
		c.Target += "?" + d.query
	}
	c.Body, c.Chunked = d.encode(), d.chunked
	c.oversized = len(c.Body) > f.options.MaxBody
	return c
}

// Case is one request and what may be answered to it.
type Case struct {
	Operation string
	// Kind says what is special about it.
	Kind string
	// At is the member that it is about, if it is about one.
	At    string
	Valid bool
	Seed  uint64
	Index int

	Method string
	// Target is the path with the query.
	Target string
	Header http.Header
	Body   []byte
	// Chunked says that the body's length is not announced.
	Chunked bool

	want want
	sent []field
	// bodiless are the statuses without a body.
	bodiless []string
	// echoed says that members of the answer by the same names repeat what was sent; a form's fields are credentials.
	echoed bool
	// oversized says that the body is larger than the server reads, whatever else is right or wrong with it.
	oversized bool
}

// Request makes the request for a server at a URL.
func (c *Case) Request(ctx context.Context, server string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, c.Method, server+c.Target, strings.NewReader(string(c.Body)))
	if err != nil {
		return nil, err
	}
	r.Header = c.Header.Clone()
	switch {
	case len(c.Body) == 0:
		r.Body, r.ContentLength = http.NoBody, 0
	case c.Chunked:
		r.ContentLength = -1
	}
	return r, nil
}

// Name says which kind of request this is.
func (c *Case) Name() string {
	if c.At != "" {
		return c.Kind + " /" + c.At
	}
	return c.Kind
}

// maxShown is how much of a body is shown, in bytes.
const maxShown = 4096

// String shows the request, with what is needed to make it again.
func (c *Case) String() string {
	var b strings.Builder
	half := "broken"
	if c.Valid {
		half = "valid"
	}
	fmt.Fprintf(&b, "%s, %s: %s, seed %d, index %d\n%s %s HTTP/1.1\n", c.Operation, half, c.Name(), c.Seed, c.Index, c.Method, c.Target)
	for _, name := range slices.Sorted(keysOf(c.Header)) {
		for _, value := range c.Header[name] {
			fmt.Fprintf(&b, "%s: %q\n", name, value)
		}
	}
	if c.Chunked {
		b.WriteString("Transfer-Encoding: chunked\n")
	}
	shown := c.Body[:min(len(c.Body), maxShown)]
	fmt.Fprintf(&b, "\n%q", shown)
	if len(shown) < len(c.Body) {
		fmt.Fprintf(&b, " and %d bytes more", len(c.Body)-len(shown))
	}
	return b.String()
}
