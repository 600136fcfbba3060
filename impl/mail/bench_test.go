package mail

import (
	"testing"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// BenchmarkQueue sends 10,000 queued mails to a server on this machine. They are to take less than
// 30 s.
func BenchmarkQueue(b *testing.B) {
	const mails = 10_000
	for b.Loop() {
		b.StopTimer()
		s := newServer(b, nil)
		o := options(b, sender(b, "smtp://"+s.addr))
		o.Pool = connect(b, postgrestest.New(b))
		q, err := New(o)
		if err != nil {
			b.Fatal(err)
		}
		letters := make([]Letter, mails)
		for i := range letters {
			letters[i] = another(LoginCode)
		}
		enqueue(b, q, letters...)
		b.StartTimer()
		start(b, o)
		eventually(b, "all mails arrive", func() bool { return s.count() == mails })
	}
	b.ReportMetric(mails*float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}
