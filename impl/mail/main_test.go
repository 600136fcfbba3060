package mail

import (
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }
