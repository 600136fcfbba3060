package impl

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"
)

// Timeouts bound what a client or the database may take.
type Timeouts struct {
	// Header is for the request's head, Read for head and body together.
	Header, Read time.Duration
	// Request bounds all work on a request after its head was read. Then the response is 503.
	Request time.Duration
	// Write is from the end of the request's head to the end of the answer.
	Write time.Duration
	// Idle is how long a connection is kept between requests.
	Idle time.Duration
}

// DefaultTimeouts are those of `latchkey serve`.
var DefaultTimeouts = Timeouts{
	Header:  5 * time.Second,
	Read:    10 * time.Second,
	Request: 10 * time.Second,
	Write:   30 * time.Second,
	Idle:    2 * time.Minute,
}

func (t Timeouts) orDefault() Timeouts {
	return Timeouts{
		Header:  cmp.Or(t.Header, DefaultTimeouts.Header),
		Read:    cmp.Or(t.Read, DefaultTimeouts.Read),
		Request: cmp.Or(t.Request, DefaultTimeouts.Request),
		Write:   cmp.Or(t.Write, DefaultTimeouts.Write),
		Idle:    cmp.Or(t.Idle, DefaultTimeouts.Idle),
	}
}

// maxHeaderBytes bounds a request's head. net/http adds 4 KiB, and responds with 431 to a longer
// one.
const maxHeaderBytes = 16 << 10

// HTTPServer returns the HTTP server for s. It bounds everything that a client could delay.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.timeouts.Header,
		ReadTimeout:       s.timeouts.Read,
		WriteTimeout:      s.timeouts.Write,
		IdleTimeout:       s.timeouts.Idle,
		MaxHeaderBytes:    maxHeaderBytes,
		// net/http would answer OPTIONS * by itself, without what every answer carries.
		DisableGeneralOptionsHandler: true,
		// What net/http has to say is about single connections: a client that broke off, a bad
		// handshake.
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
}
