package main

// The client that oapi-codegen makes imports this package. It keeps the package in go.mod, because
// the client isn't committed.
import _ "github.com/oapi-codegen/runtime"
