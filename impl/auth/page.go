package auth

import (
	"errors"

	"github.com/latchkey-auth/latchkey/impl/auth/cursor"
)

// openCursor reads where a page of a list begins into a pointer, which an empty cursor leaves as it
// is. It fails with an [*InvalidInputError].
func (s *Service) openCursor(list string, filter any, text string, position any) error {
	if text == "" {
		return nil
	}
	err := s.opts.Cursors.Open(list, filter, text, position)
	if errors.Is(err, cursor.ErrInvalid) {
		return &InvalidInputError{Fields: []FieldError{{
			Field: "query/cursor", Code: "invalid_format",
			Detail: "It is not the cursor of a page, or of one with other filters.",
		}}}
	}
	return err
}
