package transfer_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/transfer"
)

// benchUsers is how many users an iteration moves.
const benchUsers = 10_000

func benchFile() []byte {
	var file bytes.Buffer
	for n := range benchUsers {
		fmt.Fprintf(&file, `{"external_id":"%d","email":"user%d@example.com","username":"user%d","email_verified":true,`+
			`"display_name":"User %d","user_metadata":{"theme":"dark"},"created_at":"2024-01-05T09:30:00Z",`+
			`"password_hash":"$2b$04$2sIVHdxeJABuDeGPwDCN3OiWbiKv3T52e4dnDLl1r72TYYn8APtZ6"}`+"\n", n, n, n, n)
	}
	return file.Bytes()
}

func benchImport(b *testing.B, h *impltest.Harness, file []byte) {
	b.Helper()
	reader, err := transfer.NewReader(bytes.NewReader(file), transfer.Source{Now: h.Clock.Now()})
	if err != nil {
		b.Fatal(err)
	}
	report, err := transfer.Import(b.Context(), h.Auth, reader, transfer.Options{
		OnProblem: func(p transfer.Problem) error { return fmt.Errorf("%+v", p) },
		OnBatch:   func(*transfer.Report) {},
	})
	if err != nil || report.Imported != benchUsers {
		b.Fatalf("%d imported, %v", report.Imported, err)
	}
}

func BenchmarkImport(b *testing.B) {
	file := benchFile()
	users := 0
	for b.Loop() {
		b.StopTimer()
		h := impltest.New(b)
		b.StartTimer()
		benchImport(b, h, file)
		users += benchUsers
	}
	b.ReportMetric(float64(users)/b.Elapsed().Seconds(), "users/s")
}

func BenchmarkExport(b *testing.B) {
	h := impltest.New(b)
	benchImport(b, h, benchFile())
	users := 0
	for b.Loop() {
		if err := transfer.Export(b.Context(), h.Auth, io.Discard, transfer.JSONLines, true); err != nil {
			b.Fatal(err)
		}
		users += benchUsers
	}
	b.ReportMetric(float64(users)/b.Elapsed().Seconds(), "users/s")
}
