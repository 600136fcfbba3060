package impl

import (
	"context"
	"errors"

	"github.com/latchkey-auth/latchkey/gen/api"
)

// Why the service can't serve, as told by Options.Ready. Any other error of it says that the
// database is out of reach.
var (
	ErrSchemaOutdated = errors.New("the database's schema is older than this server")
	ErrSchemaTooNew   = errors.New("the database's schema is newer than this server")
	// ErrReadOnly says that nothing can be written to the database.
	ErrReadOnly = errors.New("the database is read-only")
	// ErrKeysUnavailable says that no key signs, as where another secret key has sealed them.
	ErrKeysUnavailable = errors.New("no key signs")

	errShuttingDown = errors.New("shutting down")
)

// notReadyError is an error of the readiness check; it answers 503 whatever it holds.
type notReadyError struct{ error }

func (e notReadyError) Unwrap() error { return e.error }

// GetLiveness succeeds as long as the process serves requests.
func (s *Server) GetLiveness(_ context.Context, _ api.GetLivenessRequestObject) (api.GetLivenessResponseObject, error) {
	return api.GetLiveness200JSONResponse{Status: api.Ok}, nil
}

// GetReadiness reports whether the database is reachable, its schema current, and a key there to
// sign with.
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
