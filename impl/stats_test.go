package impl_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// The metrics count the mails that wait, by what they wait for. Mails that were sent, and other
// programs' jobs in River's table, aren't counted.
func TestMailsAreCounted(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	//nolint:misspell // River's names
	const jobs = `
		INSERT INTO river_job (state, args, kind, queue, finalized_at)
		SELECT state, '{}'::jsonb, 'mail', 'mail', CASE WHEN state IN ('cancelled', 'completed', 'discarded') THEN now() END
		FROM unnest(enum_range(NULL::river_job_state)) state
		UNION ALL
		SELECT 'available', '{}', 'other', 'other', NULL`
	if _, err := h.Pool.Exec(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	got, err := h.Auth.Mails(t.Context())
	if want := (auth.Mails{Waiting: 4, Retrying: 1, GivenUp: 2}); got != want || err != nil {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}
