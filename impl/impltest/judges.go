package impltest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	judged "github.com/pb33f/libopenapi-validator/errors"
)

// Two judges check every response against the contract.
//
// The first is kin-openapi, with additions of this package. The server also uses kin-openapi to
// check requests. The second is libopenapi-validator. It shares no code with the first and reads
// the contract by itself. In its strict mode it refuses a header or a member that isn't declared.
//
// The judges have agreed on every response of the tests. If they ever disagree, find out which one
// is right and document it here.

// secondJudge is created once, because reading the contract and compiling its schemas takes some
// 100 ms.
var secondJudge = sync.OnceValue(func() validator.Validator {
	doc, err := libopenapi.NewDocument(judgedContract())
	if err != nil {
		panic(err)
	}
	judge, errs := validator.NewValidator(doc, config.WithFormatAssertions(), config.WithStrictMode(),
		config.WithStrictIgnoredHeaders(transport...))
	if len(errs) > 0 {
		panic(errors.Join(errs...))
	}
	return judge
})

// ofMetadata matches what the second judge says of a member of the metadata, which may have any
// members. With WithStrictIgnorePaths the judge compiles its patterns anew for each part of each
// response: 10.4 s of the 26.5 s that it took in the tests of impl.
var ofMetadata = regexp.MustCompile(`^\w+ property '.*' at '\$\.body\.(users\[\d+\]\.)?(user|app)_metadata[.\[]`)

// judgeAnswer lets the second judge check the response to a declared operation.
func judgeAnswer(method, path string, res *http.Response, body []byte) error {
	answer := *res
	answer.Body = io.NopCloser(bytes.NewReader(body))
	_, found := secondJudge().ValidateHttpResponse(canonicalRequest(method, path, nil), &answer)
	return verdict(found)
}

// judgeRequest lets the second judge check a request that the server has accepted.
func judgeRequest(r *http.Request) error {
	var body io.Reader
	if r.GetBody != nil {
		again, err := r.GetBody()
		if err != nil {
			return err
		}
		body = again
	}
	request := canonicalRequest(r.Method, r.URL.EscapedPath(), body)
	// A client may send other headers (Accept, Origin, those of its proxies), and a token that
	// isn't needed.
	for name, values := range r.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Content-Type":
			request.Header["Content-Type"] = values
		case "Authorization":
			if asksForToken(r.Method, r.URL.EscapedPath()) {
				request.Header["Authorization"] = values
			}
		}
	}
	if request.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		if err := dropEmptyFields(request); err != nil {
			return err
		}
	}
	_, found := secondJudge().ValidateHttpRequestSync(request)
	return verdict(found)
}

// dropEmptyFields removes the fields without a value from a form. They count as absent (RFC 6749
// section 3.2).
func dropEmptyFields(r *http.Request) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(data))
	if err != nil {
		return err
	}
	maps.DeleteFunc(form, func(_ string, values []string) bool { return len(values) == 1 && values[0] == "" })
	r.Body = io.NopCloser(strings.NewReader(form.Encode()))
	return nil
}

func asksForToken(method, path string) bool {
	item := pathItem(path)
	return item != nil && item.GetOperation(method) != nil && AsksForToken(item.GetOperation(method))
}

// AsksForToken reports whether an operation can't be called without a token.
func AsksForToken(op *openapi3.Operation) bool {
	isNone := func(s openapi3.SecurityRequirement) bool { return len(s) == 0 }
	return op.Security != nil && len(*op.Security) > 0 && !slices.ContainsFunc(*op.Security, isNone)
}

// canonicalRequest returns a request for the path as the contract writes it, so that the judge
// finds the path.
func canonicalRequest(method, path string, body io.Reader) *http.Request {
	r, err := http.NewRequest(method, "http://latchkey.example"+(&url.URL{Path: canonicalPath(path)}).String(), body)
	if err != nil {
		panic(err) // the path was valid in a request before
	}
	return r
}

func verdict(found []*judged.ValidationError) error {
	var all []error
	for _, e := range found {
		if e.ValidationSubType == judged.StrictSubTypeProperty && ofMetadata.MatchString(e.Message) {
			continue
		}
		all = append(all, fmt.Errorf("the second judge: %s: %s", e.Message, e.Reason))
		for _, s := range e.SchemaValidationErrors {
			all = append(all, fmt.Errorf("%s: %s", s.KeywordLocation, s.Reason))
		}
	}
	return errors.Join(all...)
}
