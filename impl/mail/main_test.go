package mail

import (
	"flag"
	"os"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// TestMain runs the tests, or the process that [TestKilled] kills.
func TestMain(m *testing.M) {
	if url := os.Getenv(victimDatabase); url != "" {
		victim(url, os.Getenv(victimServer))
	}
	// Most of these tests wait for an attempt of River most of the time. -parallel on the command
	// line wins.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	postgrestest.Main(m)
}
