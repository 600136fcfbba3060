package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/authn"
)

// The bounds of what the memory holds: at most 1,000 users with 50 notes of 280 characters each.
const (
	maxUsers = 1000
	maxNotes = 50
	maxText  = 280     // characters
	maxBody  = 4 << 10 // bytes
)

// note is one note, as it is sent.
type note struct {
	ID        string    `json:"id"`
	Text      string    `json:"text"`
	CreatedAt time.Time `json:"created_at"`
}

// notes keeps the notes of all users until the process ends.
type notes struct {
	now func() time.Time

	mu sync.Mutex
	// byUser has the notes of each user by the `uid` of the token, the oldest first. Unlike an
	// email or a username, a `uid` is never given to another user.
	byUser map[string][]note
}

// problem is the body of a refused request (RFC 9457). Its type is about:blank, so the title is the
// status in words.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

var (
	errBody     = problem{Status: http.StatusBadRequest, Code: "invalid_body", Detail: "The body is not JSON."}
	errNoNote   = problem{Status: http.StatusNotFound, Code: "note_not_found", Detail: "There is no such note."}
	errNoRoute  = problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is no such operation."}
	errTooMany  = problem{Status: http.StatusConflict, Code: "too_many_notes", Detail: "Delete a note first."}
	errTooLarge = problem{
		Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Detail: "The body is too large.",
	}
	errText = problem{
		Status: http.StatusUnprocessableEntity, Code: "invalid_text",
		Detail: fmt.Sprintf("It must have 1 to %d characters.", maxText),
	}
	errFull = problem{Status: http.StatusInsufficientStorage, Code: "full", Detail: "No more users can keep notes."}
)

// user returns the id of the user whose token the middleware has checked.
func user(r *http.Request) string {
	claims, _ := authn.FromContext(r.Context())
	return claims.UserID
}

// list sends the notes of the user, the newest first.
func (n *notes) list(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	own := append([]note{}, n.byUser[user(r)]...)
	n.mu.Unlock()
	slices.Reverse(own)
	writeJSON(w, http.StatusOK, map[string][]note{"notes": own})
}

// add keeps a new note and sends it.
func (n *notes) add(w http.ResponseWriter, r *http.Request) {
	text, refused := readText(w, r)
	if refused != nil {
		writeProblem(w, *refused)
		return
	}
	added := note{ID: rand.Text(), Text: text, CreatedAt: n.now().UTC().Truncate(time.Second)}
	if refused := n.keep(user(r), added); refused != nil {
		writeProblem(w, *refused)
		return
	}
	writeJSON(w, http.StatusCreated, added)
}

// keep adds a note. It returns a problem if a bound is reached.
func (n *notes) keep(uid string, added note) *problem {
	n.mu.Lock()
	defer n.mu.Unlock()
	own, known := n.byUser[uid]
	switch {
	case len(own) >= maxNotes:
		return &errTooMany
	case !known && len(n.byUser) >= maxUsers:
		return &errFull
	}
	n.byUser[uid] = append(own, added)
	return nil
}

// remove deletes a note. It finds only the notes of the user.
func (n *notes) remove(w http.ResponseWriter, r *http.Request) {
	uid, id := user(r), r.PathValue("id")
	n.mu.Lock()
	defer n.mu.Unlock()
	own := n.byUser[uid]
	at := slices.IndexFunc(own, func(one note) bool { return one.ID == id })
	switch {
	case at < 0:
		writeProblem(w, errNoNote)
		return
	case len(own) == 1:
		delete(n.byUser, uid)
	default:
		n.byUser[uid] = slices.Delete(own, at, at+1)
	}
	w.WriteHeader(http.StatusNoContent)
}

// readText reads the text of a new note from the body, without the blanks around it.
func readText(w http.ResponseWriter, r *http.Request) (string, *problem) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return "", &errTooLarge
	}
	var body struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(data, &body) != nil {
		return "", &errBody
	}
	text := strings.TrimSpace(body.Text)
	if text == "" || utf8.RuneCountInString(text) > maxText {
		return "", &errText
	}
	return text, nil
}

// writeProblem writes the response to a refused request.
func writeProblem(w http.ResponseWriter, p problem) {
	p.Title = http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	writeJSON(w, p.Status, p)
}

// writeJSON writes a response that no cache keeps.
func writeJSON(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone needs no response
}
