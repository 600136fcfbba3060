package main

// What the client that oapi-codegen makes imports. The test makes it after go.mod is written.
import _ "github.com/oapi-codegen/runtime"
