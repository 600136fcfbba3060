package impl

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// lingerTime and lingerBytes bound how long the rest of a body is read whose answer was written early.
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// unread is a request's body, of which something may be left when the answer is written: it is too large, of another type,
// late, or not wanted. A client that is still sending reads no answer, and a connection that is closed with bytes unread
// is reset, which takes the answer with it (RFC 9112 section 9.6). So the rest is read after the answer, for a bounded while.
type unread struct {
	io.ReadCloser
	isRead  bool
	expects bool // the client waits for a word before it sends
}

// readOn lets the request's body be read after its answer. It ends the connection behind a body of chunks: net/http hides
// whether a length was told beside them, which is how requests are smuggled past a proxy (RFC 9112 section 6.1).
func readOn(w http.ResponseWriter, r *http.Request) *unread {
	body := &unread{ReadCloser: r.Body, expects: r.Header.Get("Expect") != ""}
	r.Body = body
	if len(r.TransferEncoding) > 0 || r.ContentLength > maxBody {
		w.Header().Set("Connection", "close")
	}
	_ = http.NewResponseController(w).EnableFullDuplex() // a recorder of the tests can't, and needs it not
	return body
}

// Read reads the body, and notes its end.
func (u *unread) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		u.isRead = true
	}
	return n, err
}

// discard sends the answer and reads what is left of the body.
func (u *unread) discard(w http.ResponseWriter) {
	if u.isRead || u.expects {
		return
	}
	control := http.NewResponseController(w)
	if err := errors.Join(control.Flush(), control.SetReadDeadline(time.Now().Add(lingerTime))); err != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, u, lingerBytes) // the answer was sent, whatever comes of it
}
