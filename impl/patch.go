package impl

import (
	"encoding/json"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/contract"
)

// ReadManagedUpdate reads a merge patch of a user that is no request's, but a command's. It holds the
// patch to the contract's ManagedUserUpdate, and fails with an [*auth.InvalidInputError].
func ReadManagedUpdate(patch []byte) (auth.ManagedUpdate, error) {
	document, err := contract.Read(api.ContractJSON)
	if err != nil {
		return auth.ManagedUpdate{}, err
	}
	schema, err := document.Schema("ManagedUserUpdate", contract.Rules{})
	if err != nil {
		return auth.ManagedUpdate{}, err
	}
	if found := schema.Check(patch); len(found) > 0 {
		var invalid auth.InvalidInputError
		for _, v := range found {
			invalid.Fields = append(invalid.Fields, auth.FieldError{
				Field: strings.TrimPrefix(v.Pointer, "/"), Code: v.Code, Detail: v.Detail,
			})
		}
		return auth.ManagedUpdate{}, &invalid
	}
	var body api.ManagedUserUpdate
	if err := json.Unmarshal(patch, &body); err != nil {
		return auth.ManagedUpdate{}, err
	}
	return managedUpdate(body)
}
