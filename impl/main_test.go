package impl_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/impl/impltest"
)

func TestMain(m *testing.M) { impltest.Main(m, "../docs/contract.md") }
