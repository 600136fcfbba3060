package impl_test

import (
	"flag"
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

func TestMain(m *testing.M) {
	// These tests wait for PostgreSQL half of the time. -parallel on the command line wins over
	// this.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	impltest.Main(m, "../docs/contract.md")
}
