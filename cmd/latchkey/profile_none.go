//go:build !profile

package main

import "net/http"

// addProfiles adds none: a profile is taken of a binary that was built for it.
func addProfiles(*http.ServeMux) {}
