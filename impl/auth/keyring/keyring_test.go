package keyring

import (
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/authn"
	"github.com/latchkey-auth/latchkey/gen/db"
)

var now = time.Date(2026, 1, 5, 9, 30, 0, 123456789, time.UTC)

func TestWhichKeySigns(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	key := func(kid string, from int, until ...int) *signingKey {
		k := &signingKey{SigningKey: db.SigningKey{Kid: kid, SignsFrom: at(from), TokenTtl: 15 * time.Minute}}
		if len(until) > 0 {
			k.VerifiesUntil = new(at(until[0]))
		}
		return k
	}
	for name, row := range map[string]struct {
		keys keySet
		want string
	}{
		"none":                             {nil, ""},
		"one":                              {keySet{key("a", -1)}, "a"},
		"at the moment":                    {keySet{key("a", -9), key("b", 0)}, "b"},
		"a successor that waits":           {keySet{key("a", -9, 20), key("b", 6)}, "a"},
		"two successors that wait":         {keySet{key("a", -9, 20), key("b", 5, 21), key("c", 6)}, "a"},
		"a former one that verifies still": {keySet{key("a", -9, 5), key("b", -1)}, "b"},
		"ended":                            {keySet{key("a", -9, 0)}, ""},
		"the present one was retired":      {keySet{key("a", -9, -1), key("b", 6)}, "b"},
		"made by a clock ahead of ours":    {keySet{key("a", 1)}, "a"},
		"a superseded one, and one that waits, its predecessor retired": {keySet{key("a", -9, 5), key("b", -1, 0), key("c", 1)}, "c"},
		"nothing but a superseded one":                                  {keySet{key("a", -9, 5), key("b", -1, 0)}, "a"},
	} {
		got := ""
		if k := row.keys.signing(now); k != nil {
			got = k.Kid
		}
		if got != row.want {
			t.Errorf("%s: %q signs, want %q", name, got, row.want)
		}
	}
}

func TestWhenKeysEnd(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	never := time.Time{}
	const afterwards = 15*time.Minute + FollowInterval + authn.Leeway
	key := func(from int, until time.Time) *signingKey {
		k := &signingKey{SigningKey: db.SigningKey{SignsFrom: at(from), TokenTtl: 15 * time.Minute}}
		if until != never {
			k.VerifiesUntil = &until
		}
		return k
	}
	for name, row := range map[string]struct {
		keys keySet
		want []time.Time
	}{
		"one":                         {keySet{key(-9, never)}, []time.Time{never}},
		"one whose successor is gone": {keySet{key(-9, at(20)), key(5, at(0))}, []time.Time{never, at(0)}},
		"a new successor":             {keySet{key(-9, never), key(6, never)}, []time.Time{at(6).Add(afterwards), never}},
		"one successor more": {
			keySet{key(-9, at(6).Add(afterwards)), key(6, never), key(7, never)},
			[]time.Time{at(6).Add(afterwards), at(7).Add(afterwards), never},
		},
		"the first of two is gone": {
			keySet{key(-9, at(6).Add(afterwards)), key(6, at(0)), key(7, never)},
			[]time.Time{at(7).Add(afterwards), at(0), never},
		},
		"a superseded one keeps its end": {
			keySet{key(-9, at(5)), key(-1, at(0)), key(0, never)}, []time.Time{at(5), at(0), never},
		},
	} {
		row.keys.settle(now)
		for i, want := range row.want {
			got := never
			if until := row.keys[i].VerifiesUntil; until != nil {
				got = *until
			}
			if !got.Equal(want) {
				t.Errorf("%s: key %d verifies until %s, want %s", name, i, got, want)
			}
		}
	}
}
