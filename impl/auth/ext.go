package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

const (
	// maxTokenClaims bounds how many members of app_metadata a token has. It is the contract's.
	maxTokenClaims = 16
	// maxExtBytes bounds the claim `ext`, in bytes of JSON, so that no token gets longer than
	// [authn.MaxTokenBytes].
	maxExtBytes = 1024
)

var tokenClaim = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// CheckTokenClaims fails unless tokens can have the named members of app_metadata.
func CheckTokenClaims(names []string) error {
	if len(names) > maxTokenClaims {
		return fmt.Errorf("there are %d members, and at most %d can be in a token", len(names), maxTokenClaims)
	}
	seen := map[string]bool{}
	for _, name := range names {
		if !tokenClaim.MatchString(name) {
			return errors.New("a member's name has 1 to 64 letters, digits, - and _")
		}
		if seen[name] {
			return fmt.Errorf("the member %s stands twice", name)
		}
		seen[name] = true
	}
	return nil
}

// ext returns the claim `ext` of a user's tokens: the members of app_metadata that the settings
// name. It is nil if the user has none of them. It is also nil, and isDropped is true, if they are
// too long for a token: a token without them is better than none, and than one with half of them.
func (s *Service) ext(appMetadata []byte) (ext json.RawMessage, isDropped bool, err error) {
	if len(s.opts.TokenClaims) == 0 || len(appMetadata) == 0 {
		return nil, false, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(appMetadata, &all); err != nil {
		return nil, false, fmt.Errorf("app_metadata is no object: %w", err)
	}
	chosen := map[string]json.RawMessage{}
	for _, name := range s.opts.TokenClaims {
		if value, ok := all[name]; ok {
			chosen[name] = value
		}
	}
	if len(chosen) == 0 {
		return nil, false, nil
	}
	if ext, err = json.Marshal(chosen); err != nil {
		return nil, false, err
	}
	if len(ext) > maxExtBytes {
		return nil, true, nil
	}
	return ext, false, nil
}
