package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/impl/auth/argon2id"
)

// jobOf is work of an account and an address, written as account@address.
func jobOf(name string) *hashJob {
	account, address, _ := strings.Cut(name, "@")
	return &hashJob{owner: newHashOwner(Caller{Address: netip.MustParseAddr(address)}, account)}
}

// F-10: a line is served in turns at each level, whoever has the most in it.
func TestF10_LineTakesTurns(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name          string
		waiting, want string
	}{
		{"one account: in order of arrival", "a1@192.0.2.1 a1@192.0.2.1", "a1@192.0.2.1 a1@192.0.2.1"},
		{"two accounts of one address", "a@192.0.2.1 a@192.0.2.1 b@192.0.2.1", "a@192.0.2.1 b@192.0.2.1 a@192.0.2.1"},
		{"two addresses of one site", "a@192.0.2.1 b@192.0.2.1 c@192.0.2.2", "a@192.0.2.1 c@192.0.2.2 b@192.0.2.1"},
		{
			"two sites, one of them with more addresses",
			"a@2001:db8::1 b@2001:db8:0:1::1 c@2001:db8:0:2::1 d@2001:db8:1::1", "a@2001:db8::1 d@2001:db8:1::1 b@2001:db8:0:1::1 c@2001:db8:0:2::1",
		},
		{"one address in a /64", "a@2001:db8::1 a@2001:db8::2 b@2001:db8::3", "a@2001:db8::1 b@2001:db8::3 a@2001:db8::2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := line{served: recent[string, uint64]{size: servedSites}}
			names := map[*hashJob]string{}
			for name := range strings.FieldsSeq(row.waiting) {
				job := jobOf(name)
				names[job] = name
				l.add(job)
			}
			var got []string
			for l.waiting > 0 {
				got = append(got, names[l.next()])
			}
			if want := strings.Fields(row.want); !slices.Equal(got, want) || len(l.parts) != 0 {
				t.Errorf("got %q, want %q, and %d parts left", got, want, len(l.parts))
			}
		})
	}
}

// F-10: where a line is full, it is whoever has the most in it that goes without.
func TestF10_SurplusOfALine(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, waiting, comes, want string
	}{
		{"another site", "eve@192.0.2.1 eve2@192.0.2.1", "ada@198.51.100.7", "eve2@192.0.2.1"},
		{"the same site", "eve@192.0.2.1 eve2@192.0.2.2 eve@192.0.2.1", "ada@192.0.2.7", "eve@192.0.2.1"},
		{"the same address", "eve@192.0.2.1 eve@192.0.2.1", "ada@192.0.2.1", "eve@192.0.2.1"},
		{"the most itself", "ada@192.0.2.1 ada@192.0.2.1 eve@198.51.100.7", "ada@192.0.2.1", ""},
		{"as much", "eve@192.0.2.1 bob@198.51.100.7", "ada@203.0.113.7", ""},
		{"a site by its /48", "eve@2001:db8::1 eve2@2001:db8:0:1::1", "ada@2001:db8:1::1", "eve2@2001:db8:0:1::1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := line{served: recent[string, uint64]{size: servedSites}}
			for name := range strings.FieldsSeq(row.waiting) {
				l.add(jobOf(name))
			}
			comes := jobOf(row.comes)
			before := l.waiting
			if got := l.admits(comes.owner, before); got != (row.want != "") || l.waiting != before {
				t.Errorf("admits: %v, with %d waiting", got, l.waiting)
			}
			l.add(comes)
			if got := l.surplus(); (got == comes) != (row.want == "") || got != comes && got.owner.account+"@"+got.owner.network != row.want &&
				!strings.HasPrefix(row.want, got.owner.account+"@2001") {
				t.Errorf("got %s@%s, want %q", got.owner.account, got.owner.network, row.want)
			}
		})
	}
}

// F-10: not even as many sites as the line has room, each of which asks again at once, keep out whoever asks once.
func TestF10_ManySitesKeepNobodyOut(t *testing.T) {
	t.Parallel()
	const length = 8
	l := line{served: recent[string, uint64]{size: servedSites}}
	flood := func(n int) *hashJob { return jobOf(fmt.Sprintf("eve@192.0.%d.1", n)) }
	for n := range length {
		l.add(flood(n))
	}
	for n := range 3 * length { // as one is served, its site asks again
		site := l.next().owner.site
		if l.add(flood(n % length)); l.parts[len(l.parts)-1].key != site {
			t.Fatalf("served %s out of turn", site)
		}
	}
	ada := jobOf("ada@203.0.113.7")
	if !l.admits(ada.owner, length) {
		t.Fatal("no room for who has not been served")
	}
	l.add(ada)
	l.drop(l.surplus())
	for n := range length {
		if l.next() == ada {
			return
		}
		l.add(flood(n))
	}
	t.Error("she was not served within a turn")
}

// F-10: who has to make room is told so at once, and has cost nothing.
func TestF10_EvictedAtOnce(t *testing.T) {
	t.Parallel()
	q := newHashQueue(1, 2, time.Minute)
	release := occupy(t, q)
	var wg sync.WaitGroup
	owners := make([]*hashOwner, 0, 3)
	results := make([]error, 3)
	for i, name := range []string{"eve@192.0.2.1", "eve@192.0.2.1", "ada@198.51.100.7"} {
		owners = append(owners, jobOf(name).owner)
		wg.Go(func() {
			results[i] = q.do(hashedFor(t.Context(), owners[i]), lineCheck, func(*argon2id.Memory) {})
		})
		eventually(t, func() bool { // it stands in line, or another has made room for it
			waiting, refused := q.stats()
			return waiting+int(refused) == i+1
		})
	}
	release()
	wg.Wait()
	for i, want := range []error{nil, ErrOverloaded, nil} {
		if !errors.Is(results[i], want) || owners[i].begun.Load() != (want == nil) {
			t.Errorf("%d: got %v, begun %v", i, results[i], owners[i].begun.Load())
		}
	}
	if waiting, refused := q.stats(); waiting != 0 || refused != 1 {
		t.Errorf("%d wait and %d were refused, want 0 and 1", waiting, refused)
	}
}
