package impl

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/impl/contract"
)

// validateRequest checks the path, the query string, the headers and the body of a request against
// the contract, before the generated stub reads them. It reports everything that is wrong at once,
// as [contract.Violations], unless the path names nothing.
//
// The strict server validates nothing by itself: a missing field would be "", and another content
// type would pass.
func validateRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		hr := ec.Request()
		op := requestOf(hr.Context()).operation
		if err := op.CheckPath(ec.Param); err != nil {
			return err
		}
		found := op.CheckParameters(hr)
		if op.Body != nil {
			data, err := readBody(ec, op.Body)
			switch {
			case err != nil:
				return err
			case len(data) == 0 && !op.Body.MayBeEmpty(hr.Header):
				found = append(found, contract.Violation{Code: "required", Detail: "The request needs a body."})
			default:
				found = append(found, op.Body.Bind(hr, data)...)
			}
		}
		if len(found) > 0 {
			return found.Sorted()
		}
		return next(ec)
	}
}

// readBody reads the body if it is of the operation's media type.
func readBody(ec echo.Context, plan *contract.Body) ([]byte, error) {
	r := ec.Request()
	if r.ContentLength == 0 && len(r.Header.Values("Content-Type")) == 0 {
		return nil, nil
	}
	if !plan.IsAnnounced(r.Header) {
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
	// A body that ended early, or whose chunks can't be read. The reason could repeat what was
	// sent.
	return nil, contract.Violations{{Code: "malformed", Detail: "The body did not arrive as its head announced it."}}
}
