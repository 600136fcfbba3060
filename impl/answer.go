package impl

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/latchkey-auth/latchkey/gen/api"
)

// currentUser is the answer that is asked for most. It writes itself as the generated [api.GetCurrentUser200JSONResponse] does, without reflection; a
// test holds the two to each other.
type currentUser api.User

// mediaJSONHeader is shared by all answers, and never written to.
var mediaJSONHeader = []string{mediaJSON}

// VisitGetCurrentUserResponse writes the answer.
func (u currentUser) VisitGetCurrentUserResponse(w http.ResponseWriter) error {
	body, err := u.append(make([]byte, 0, 512))
	if err != nil {
		return err
	}
	w.Header()["Content-Type"] = mediaJSONHeader
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(body)
	return err
}

// append appends the user in JSON, with the line break that encoding/json's encoder ends with.
func (u currentUser) append(b []byte) (_ []byte, err error) {
	b = append(b, `{"created_at":"`...)
	if b, err = u.CreatedAt.AppendText(b); err != nil {
		return nil, err
	}
	b = append(b, `","email":`...)
	if b, err = appendJSONString(b, u.Email); err != nil {
		return nil, err
	}
	b = strconv.AppendBool(append(b, `,"email_verified":`...), u.EmailVerified)
	b = append(append(append(b, `,"id":"`...), u.ID.String()...), '"')
	b = strconv.AppendBool(append(b, `,"is_active":`...), u.IsActive)
	b = strconv.AppendBool(append(b, `,"is_superuser":`...), u.IsSuperuser)
	b = append(b, `,"updated_at":"`...)
	if b, err = u.UpdatedAt.AppendText(b); err != nil {
		return nil, err
	}
	b = append(b, `","username":`...)
	if b, err = appendJSONString(b, u.Username); err != nil {
		return nil, err
	}
	return append(b, '}', '\n'), nil
}

// appendJSONString appends a text as it stands, where it is plain; encoding/json has the rules for everything else.
func appendJSONString(b []byte, text string) ([]byte, error) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(text)
			return append(b, quoted...), err
		}
	}
	return append(append(append(b, '"'), text...), '"'), nil
}
