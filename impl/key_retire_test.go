package impl_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// A retired key is refused at once, and another one signs. A session continues by its refresh
// token.
func TestR6_Retirement(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	beside := h.Beside(t)
	h.MustRegister(t, "ada")
	access, token := login(t, h, "ada")
	if a := beside.Me(t, access); a.Status != 200 {
		t.Fatalf("got %d", a.Status)
	}
	h.Clock.Advance(time.Minute)
	if err := h.Keys.Retire(t.Context(), kidOf(t, access)); err != nil {
		t.Fatal(err)
	}
	follow(t, beside)
	for _, instance := range []*impltest.Harness{h, beside} {
		wantRefusal(t, instance.Me(t, access), badToken)
	}
	next, _ := wantRefreshed(t, refresh(t, beside, token))
	if a := h.Me(t, next); a.Status != 200 || kidOf(t, next) == kidOf(t, access) {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if err := h.Keys.Retire(t.Context(), "nothing"); !errors.Is(err, keyring.ErrNoKey) {
		t.Errorf("got %v", err)
	}
	// A waiting successor signs at once, although not everybody has it yet. No other key is made.
	h.Clock.Advance(time.Minute)
	rotate(t, h, 0)
	waiting := publishedIDs(t, h)[1]
	if err := h.Keys.Retire(t.Context(), kidOf(t, next)); err != nil {
		t.Fatal(err)
	}
	follow(t, beside)
	after, _ := login(t, beside, "ada")
	if a := h.Me(t, after); a.Status != 200 || kidOf(t, after) != waiting {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if got := publishedIDs(t, beside); !slices.Equal(got, []string{waiting}) {
		t.Errorf("published are %v", got)
	}
}

// A superseded key still verifies. It doesn't sign again when its successor is retired, because it
// would end before its tokens do.
func TestR6_RetirementAfterARotation(t *testing.T) {
	t.Parallel()
	for name, isWaiting := range map[string]bool{"a new one": false, "the one that waits": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t)
			beside := h.Beside(t)
			h.MustRegister(t, "ada")
			first, _ := login(t, h, "ada")
			rotate(t, h, 0)
			h.Clock.Advance(keyring.MinLead - time.Second)
			last, _ := login(t, h, "ada") // under the first key, just before it signs no more
			h.Clock.Advance(2 * time.Minute)
			second, _ := login(t, h, "ada")
			if isWaiting {
				rotate(t, h, 0)
				h.Clock.Advance(time.Minute)
			}
			if err := h.Keys.Retire(t.Context(), kidOf(t, second)); err != nil {
				t.Fatal(err)
			}
			follow(t, beside)
			third, _ := login(t, beside, "ada")
			if kid := kidOf(t, third); kid == kidOf(t, first) || kid == kidOf(t, second) {
				t.Errorf("%s signs, not another one", kid)
			}
			// The first key verifies until the last token under it has expired, and no longer.
			h.Clock.Advance(10 * time.Minute)
			follow(t, h, beside)
			for _, token := range []string{last, third} {
				if a := beside.Me(t, token); a.Status != 200 {
					t.Errorf("got %d %s", a.Status, a.Body)
				}
			}
			h.Clock.Advance(4 * time.Minute)
			follow(t, h, beside)
			if a := beside.Me(t, third); a.Status != 200 {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
			if got := publishedIDs(t, h); !slices.Equal(got, []string{kidOf(t, third)}) {
				t.Errorf("published are %v", got)
			}
		})
	}
}

// If a successor is retired before it signs, the present key stays as if there had been no
// rotation.
func TestR6_RetirementOfASuccessor(t *testing.T) {
	t.Parallel()
	h := impltest.New(t)
	beside := h.Beside(t)
	h.MustRegister(t, "ada")
	access, _ := login(t, h, "ada")
	present := kidOf(t, access)
	rotate(t, h, 0)
	waiting := publishedIDs(t, h)[1]
	h.Clock.Advance(time.Minute)
	if err := h.Keys.Retire(t.Context(), waiting); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(time.Hour)
	follow(t, beside)
	if got := publishedIDs(t, beside); !slices.Equal(got, []string{present}) {
		t.Fatalf("published are %v", got)
	}
	later, _ := login(t, beside, "ada")
	if a := h.Me(t, later); a.Status != 200 || kidOf(t, later) != present {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

// If one of two waiting successors is retired, the present key signs until the other one begins,
// and its tokens stay valid.
func TestR6_RetirementOfOneOfTwoSuccessors(t *testing.T) {
	t.Parallel()
	for i, name := range []string{"the first", "the second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := impltest.New(t)
			h.MustRegister(t, "ada")
			rotate(t, h, 0)
			h.Clock.Advance(5 * time.Minute)
			rotate(t, h, 0)
			ids := publishedIDs(t, h)
			if err := h.Keys.Retire(t.Context(), ids[1+i]); err != nil {
				t.Fatal(err)
			}
			left := ids[2-i]
			begins := map[string]time.Duration{ids[1]: keyring.MinLead - 5*time.Minute, ids[2]: keyring.MinLead}[left]
			h.Clock.Advance(begins - time.Second)
			last, _ := login(t, h, "ada")
			if kidOf(t, last) != ids[0] {
				t.Error("the present key signs no more")
			}
			h.Clock.Advance(15*time.Minute - time.Second)
			follow(t, h)
			if a := h.Me(t, last); a.Status != 200 {
				t.Errorf("got %d %s", a.Status, a.Body)
			}
			next, _ := login(t, h, "ada")
			if kidOf(t, next) != left {
				t.Error("the successor that is left doesn't sign")
			}
		})
	}
}
