package impl

import (
	"encoding/json"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/contract"
)

// ReadManagedUpdate reads a merge patch of a user that is no request's, but a command's. It holds
// the patch to the contract's ManagedUserUpdate, and fails with an [*auth.InvalidInputError].
func ReadManagedUpdate(patch []byte) (auth.ManagedUpdate, error) {
	body, err := readAs[api.ManagedUserUpdate]("ManagedUserUpdate", patch)
	if err != nil {
		return auth.ManagedUpdate{}, err
	}
	return managedUpdate(body), nil
}

// ReadInvitation is [ReadManagedUpdate] for the contract's Invitation.
func ReadInvitation(text []byte) (auth.Invitation, error) {
	body, err := readAs[api.Invitation]("Invitation", text)
	return invitationOf(body), err
}

// readAs reads JSON that fits a schema of the contract.
func readAs[Body any](schema string, text []byte) (body Body, err error) {
	document, err := contract.Read(api.ContractJSON)
	if err != nil {
		return body, err
	}
	judge, err := document.Schema(schema, contract.Rules{})
	if err != nil {
		return body, err
	}
	if found := judge.Check(text); len(found) > 0 {
		var invalid auth.InvalidInputError
		for _, v := range found {
			invalid.Fields = append(invalid.Fields, auth.FieldError{
				Field: strings.TrimPrefix(v.Pointer, "/"), Code: v.Code, Detail: v.Detail,
			})
		}
		return body, &invalid
	}
	err = json.Unmarshal(text, &body)
	return body, err
}
