package impl

import (
	"context"
	"errors"

	"github.com/latchkey-auth/latchkey/gen/api"
)

// The reasons why the service can't serve, which the readiness check returns. Any other error of
// the check means that the database can't be reached.
var (
	ErrSchemaOutdated = errors.New("the database's schema is older than this server")
	ErrSchemaTooNew   = errors.New("the database's schema is newer than this server")
	// ErrReadOnly reports that nothing can be written to the database.
	ErrReadOnly = errors.New("the database is read-only")
	// ErrKeysUnavailable reports that no key signs, for example because they are sealed under
	// another secret key.
	ErrKeysUnavailable = errors.New("no key signs")

	errShuttingDown = errors.New("shutting down")
)

// notReadyError is an error of the readiness check. It becomes a 503, whatever it wraps.
type notReadyError struct{ error }

func (e notReadyError) Unwrap() error { return e.error }

// GetLiveness succeeds as long as the process serves requests.
func (s *Server) GetLiveness(_ context.Context, _ api.GetLivenessRequestObject) (api.GetLivenessResponseObject, error) {
	return api.GetLiveness200JSONResponse{Status: api.Ok}, nil
}

// GetReadiness reports whether the database is reachable, its schema is current, and a key signs.
func (s *Server) GetReadiness(
	ctx context.Context,
	_ api.GetReadinessRequestObject,
) (api.GetReadinessResponseObject, error) {
	if s.draining.Load() {
		return nil, notReadyError{errShuttingDown}
	}
	if err := s.ready(ctx); err != nil {
		return nil, notReadyError{err}
	}
	return api.GetReadiness200JSONResponse{Status: api.Ok}, nil
}
