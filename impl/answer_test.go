package impl

import (
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/latchkey-auth/latchkey/gen/api"
)

// TestCurrentUser holds the answer that is written by hand to the generated one, byte for byte.
func TestCurrentUser(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 5, 9, 30, 0, 123456000, time.UTC)
	plain := api.User{ID: uuid.Must(uuid.NewV7()), Email: "ada@example.com", Username: "ada", CreatedAt: at, UpdatedAt: at.Add(time.Hour)}
	users := map[string]api.User{"plain": plain, "zero": {}}
	for name, change := range map[string]func(*api.User){
		"verified":     func(u *api.User) { u.EmailVerified = true },
		"active":       func(u *api.User) { u.IsActive = true },
		"superuser":    func(u *api.User) { u.IsSuperuser = true },
		"whole second": func(u *api.User) { u.CreatedAt = at.Truncate(time.Second) },
		"other zone":   func(u *api.User) { u.UpdatedAt = at.In(time.FixedZone("", 3600)) },
		"year 10000":   func(u *api.User) { u.CreatedAt = at.AddDate(9000, 0, 0) },
	} {
		u := plain
		change(&u)
		users[name] = u
	}
	for _, email := range []string{"", `"`, `\`, "<&>", "ä@例え.jp", "\u2028", "\x00\x1f\x7f", "\xff", "a\tb", "😀", "~ !#"} {
		u := plain
		u.Email, u.Username = email, email+"-"
		users["text "+email] = u
	}
	for name, u := range users {
		got, want := httptest.NewRecorder(), httptest.NewRecorder()
		gotErr, wantErr := currentUser(u).VisitGetCurrentUserResponse(got), api.GetCurrentUser200JSONResponse(u).VisitGetCurrentUserResponse(want)
		if (gotErr == nil) != (wantErr == nil) || got.Code != want.Code || !reflect.DeepEqual(got.Result().Header, want.Result().Header) || got.Body.String() != want.Body.String() {
			t.Errorf("%s: got %d %v %s (%v), want %d %v %s (%v)", name, got.Code, got.Result().Header, got.Body, gotErr, want.Code, want.Result().Header, want.Body, wantErr)
		}
	}
}
