package auth

import (
	"testing"
	"time"
)

func TestWhichKeySigns(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return testNow.Add(time.Duration(minutes) * time.Minute) }
	key := func(kid string, from int, until ...int) *signingKey {
		k := &signingKey{kid: kid, signsFrom: at(from)}
		if len(until) > 0 {
			k.verifiesUntil = at(until[0])
		}
		return k
	}
	for name, row := range map[string]struct {
		keys keySet
		want string
	}{
		"none":                               {nil, ""},
		"one":                                {keySet{key("a", -1)}, "a"},
		"at the moment":                      {keySet{key("a", -9), key("b", 0)}, "b"},
		"a successor that waits":             {keySet{key("a", -9, 20), key("b", 6)}, "a"},
		"two successors that wait":           {keySet{key("a", -9, 20), key("b", 5, 21), key("c", 6)}, "a"},
		"a former one that verifies still":   {keySet{key("a", -9, 5), key("b", -1)}, "b"},
		"ended":                              {keySet{key("a", -9, 0)}, ""},
		"the present one was retired":        {keySet{key("a", -9, -1), key("b", 6)}, "b"},
		"made by a clock ahead of ours":      {keySet{key("a", 1)}, "a"},
		"the newest retired, a former lives": {keySet{key("a", -9, 5), key("b", -1, 0)}, "a"},
	} {
		got := ""
		if k := row.keys.signing(testNow); k != nil {
			got = k.kid
		}
		if got != row.want {
			t.Errorf("%s: %q signs, want %q", name, got, row.want)
		}
	}
}
