package auth

import (
	"net/netip"
	"slices"
	"sync/atomic"
)

// hashOwner is for whom work is done: an account, the address that asks, and the site that the address is of; all empty for the operator.
type hashOwner struct {
	site, network, account string
	// begun tells whether any of the work was: from then on it has cost what it costs.
	begun atomic.Bool
}

func newHashOwner(c Caller, emailKey string) *hashOwner {
	return &hashOwner{site: siteOf(c.Address), network: networkOf(c.Address), account: emailKey}
}

// path is by what a [line] is shared out, the widest first.
func (o *hashOwner) path() []string { return []string{o.site, o.network, o.account} }

// siteOf is what one party may well have to itself, without being many: a /48 of IPv6 (RFC 6177), or a /24 of IPv4, the least that is routed.
func siteOf(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	site, err := addr.Prefix(bits)
	if err != nil {
		return ""
	}
	return site.String()
}

// line is work that waits. It is not served in order of arrival, which would be for whoever sends the most, but in turns: of the sites, within
// a site of its addresses, and at an address of the accounts. What is of one account and address is first come, first served.
type line struct {
	share
	// served is when each of the last sites was served, as a count of what was.
	served recent[string, uint64]
	count  uint64
}

// servedSites is how many sites are remembered, at about 100 bytes each.
const servedSites = 4096

func (l *line) add(job *hashJob) {
	l.share.add(job.owner.path(), job)
	site := l.parts[l.find(job.owner.site)]
	site.served, _ = l.served.get(site.key)
}

func (l *line) drop(job *hashJob) bool { return l.share.drop(job.owner.path(), job) }

// next takes out the work whose turn it is. There has to be some.
func (l *line) next() *hashJob {
	site := l.parts[0]
	l.count++
	site.served = l.count
	l.served.add(site.key, l.count)
	return l.take()
}

// admits tells whether there is room for more work of this owner, in a line of this length.
func (l *line) admits(owner *hashOwner, length int) bool {
	if l.waiting < length {
		return true
	}
	probe := &hashJob{owner: owner}
	l.add(probe)
	defer l.drop(probe)
	return l.surplus() != probe
}

// share is the work of a line, of a site, of an address, or of an account there.
type share struct {
	key     string
	waiting int
	served  uint64
	parts   []*share   // the one whose turn it is first; none of an account
	jobs    []*hashJob // of an account, the oldest first
}

func (s *share) find(key string) int {
	return slices.IndexFunc(s.parts, func(p *share) bool { return p.key == key })
}

func (s *share) add(path []string, job *hashJob) {
	s.waiting++
	if len(path) == 0 {
		s.jobs = append(s.jobs, job)
		return
	}
	i := s.find(path[0])
	if i < 0 {
		i = len(s.parts)
		s.parts = append(s.parts, &share{key: path[0]})
	}
	s.parts[i].add(path[1:], job)
}

// take takes out the oldest work of the part whose turn it is, and turns to the next part.
func (s *share) take() *hashJob {
	s.waiting--
	if len(s.parts) == 0 {
		job := s.jobs[0]
		s.jobs = slices.Delete(s.jobs, 0, 1)
		return job
	}
	part := s.parts[0]
	s.parts = slices.Delete(s.parts, 0, 1)
	job := part.take()
	if part.waiting > 0 {
		s.parts = append(s.parts, part)
	}
	return job
}

// drop takes out some work; false if it isn't there.
func (s *share) drop(path []string, job *hashJob) bool {
	if len(path) == 0 {
		i := slices.Index(s.jobs, job)
		if i < 0 {
			return false
		}
		s.jobs = slices.Delete(s.jobs, i, i+1)
		s.waiting--
		return true
	}
	i := s.find(path[0])
	if i < 0 || !s.parts[i].drop(path[1:], job) {
		return false
	}
	if s.parts[i].waiting == 0 {
		s.parts = slices.Delete(s.parts, i, i+1)
	}
	s.waiting--
	return true
}

// surplus is the work that a full line can best do without: the newest of the part that has the most, at each level. Of parts that have as much it
// is the one that was served last: else whoever had as many sites as the line has room, and asked again at once each time, would keep out
// everybody who asks once.
func (s *share) surplus() *hashJob {
	if len(s.parts) == 0 {
		return s.jobs[len(s.jobs)-1]
	}
	most := s.parts[0]
	for _, part := range s.parts[1:] {
		if part.waiting > most.waiting || part.waiting == most.waiting && part.served >= most.served {
			most = part
		}
	}
	return most.surplus()
}
