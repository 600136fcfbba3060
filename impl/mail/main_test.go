package mail

import (
	"os"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// TestMain runs the tests, or the process that [TestKilled] kills.
func TestMain(m *testing.M) {
	if url := os.Getenv(victimDatabase); url != "" {
		victim(url, os.Getenv(victimServer))
	}
	postgrestest.Main(m)
}
