package impl

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// lingerTime and lingerBytes bound how long the rest of a body is read after an early answer.
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// unread is a request's body. A part of it may be unread when the response is written, because the
// body is too large, late, of another type, or not wanted.
//
// A client that is still sending doesn't read. If the connection is closed with bytes unread, it is
// reset and the client loses the response (RFC 9112 section 9.6). So the rest of the body is read
// after the response, for a bounded time. Then the connection is closed, because its next bytes
// could belong to the body.
type unread struct {
	io.ReadCloser
	isRead  bool
	expects bool // the client waits for 100 Continue before it sends
}

// Read reads the body, and notes its end.
func (u *unread) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		u.isRead = true
	}
	return n, err
}

// earlyWriter closes the connection after a response that is written before the body was read. It
// also closes it after a chunked body. net/http hides whether such a request had a Content-Length
// too, which is a way to smuggle requests past a proxy (RFC 9112 section 6.1).
type earlyWriter struct {
	http.ResponseWriter
	body      *unread
	isChunked bool
}

// WriteHeader writes the head of the answer.
func (w earlyWriter) WriteHeader(status int) {
	if w.isChunked || !w.body.isRead {
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap returns net/http's own writer, for [http.ResponseController].
func (w earlyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// serveWithBody serves a request that has a body. It works on a copy of the request: net/http looks
// at the body of its own to decide whether the connection can be used again.
func (s *Server) serveWithBody(w http.ResponseWriter, r *http.Request) {
	own := r.WithContext(r.Context())
	body := &unread{ReadCloser: r.Body, expects: r.Header.Get("Expect") != ""}
	own.Body = body
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex() // fails for the recorders of tests, which need no such thing
	s.echo.ServeHTTP(earlyWriter{w, body, len(r.TransferEncoding) > 0}, own)
	if body.isRead || body.expects {
		return
	}
	if err := errors.Join(control.Flush(), control.SetReadDeadline(time.Now().Add(lingerTime))); err != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, body, lingerBytes) // the answer was sent, and the connection ends
}
