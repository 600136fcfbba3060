//go:build profile

package main

import (
	"net/http"
	"net/http/pprof"
)

// addProfiles lets whoever reaches /metrics take a profile of the process. It is in no binary but one that is built with
// `-tags profile`, as `make bench` does for the shares of processor time.
func addProfiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
}
