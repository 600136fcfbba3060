package main

import (
	"net/http"
	"net/http/pprof"

	"github.com/labstack/echo/v4"
)

// echoCommand makes this program the server that is as cheap as one on echo can be.
const echoCommand = "echo-server"

// serveEcho answers everything with the body, which is what /api/users/me/ answers; and its own profile.
func serveEcho(addr, body string) error {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.GET("/*", func(c echo.Context) error { return c.Blob(http.StatusOK, "application/json", []byte(body)) })
	e.GET("/debug/pprof/profile", echo.WrapHandler(http.HandlerFunc(pprof.Profile)))
	return e.Start(addr)
}
