package token

import (
	"testing"

	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
)

func BenchmarkTokenIssue(b *testing.B) {
	for _, algorithm := range keyring.Algorithms {
		b.Run(algorithm, func(b *testing.B) {
			f := newForger(b, algorithm)
			b.ReportAllocs()
			for b.Loop() {
				f.issue(b)
			}
		})
	}
}

// A token that was found valid is remembered. first is the cost of the first check.
func BenchmarkTokenCheck(b *testing.B) {
	for _, algorithm := range keyring.Algorithms {
		f := newForger(b, algorithm)
		token := f.issue(b)
		b.Run("first/"+algorithm, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.tokens.verify(b.Context(), token, testNow); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("again/"+algorithm, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.tokens.Check(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
