package impl

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/labstack/echo/v4"
)

// validatePath holds the parameters of a request's path to the contract, before the generated stub reads them.
func validatePath(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		if op := requestOf(ec.Request().Context()).operation; op != nil {
			for _, p := range op.params {
				if p.schema.VisitJSON(ec.Param(p.name)) != nil {
					return p.absent
				}
			}
		}
		return next(ec)
	}
}

// validateBody holds a request's body to the contract before its handler sees it. All that is wrong comes as one
// [invalidRequest], an entry for each field.
//
// The strict server validates nothing by itself: a missing field would be "", and another content type would pass.
func validateBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		op := requestOf(ec.Request().Context()).operation
		if op == nil || op.body == nil {
			return next(ec)
		}
		var invalid invalidRequest
		if op.oauth && ec.Request().URL.RawQuery != "" {
			invalid.add("", "query_not_allowed", "The query string must be empty: credentials belong into the body.")
		}
		data, err := readBody(ec, op.body)
		if err != nil {
			return err
		}
		switch {
		case len(data) == 0 && op.body.required && (op.body.mediaType != mediaForm || ec.Request().Header.Get("Content-Type") == ""):
			// A form of no bytes is one without fields, each of which is told.
			invalid.add("", "required", "The request needs a body.")
		case op.body.mediaType == mediaForm:
			invalid = append(invalid, bindForm(ec.Request(), data, op.body)...)
		default:
			invalid = append(invalid, bindJSON(ec.Request(), data, op.body)...)
		}
		if len(invalid) > 0 {
			return invalid.sorted()
		}
		return next(ec)
	}
}

// readBody reads the body if it is of the operation's media type.
func readBody(ec echo.Context, plan *bodyPlan) ([]byte, error) {
	r := ec.Request()
	if r.ContentLength == 0 && len(r.Header.Values("Content-Type")) == 0 {
		return nil, nil
	}
	if !isMediaType(r.Header, plan.mediaType) {
		return nil, errUnsupportedMediaType
	}
	data, err := io.ReadAll(r.Body)
	if err == nil {
		return data, nil
	}
	ec.Response().Header().Set("Connection", "close")
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("%w: %w", errBodyTimeout, err)
	}
	// A body that ended early, or whose chunks can't be read. The reason could repeat what was sent.
	var invalid invalidRequest
	invalid.add("", "malformed", "The body did not arrive as its head announced it.")
	return nil, invalid
}

// isMediaType tells whether the head announces exactly this type, in UTF-8 and without an encoding on top.
func isMediaType(h http.Header, want string) bool {
	types, encodings := h.Values("Content-Type"), h.Values("Content-Encoding")
	if len(types) != 1 || len(encodings) > 1 || len(encodings) == 1 && !strings.EqualFold(encodings[0], "identity") {
		return false
	}
	got, params, err := mime.ParseMediaType(types[0])
	if err != nil || got != want {
		return false
	}
	for name, value := range params {
		if name == "charset" && !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}
