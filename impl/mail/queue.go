package mail

import (
	"context"
	"errors"
	"log/slog"
	netmail "net/mail"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

const (
	queueName = "mail"
	// workers is how many mails one instance sends at once. Each holds a connection to the database
	// only while it asks for data and when it is done.
	workers = 8
	// fetchPause is the shortest time between two looks at the queue. With River's 100 ms, 8
	// workers would send 80 mails a second.
	fetchPause = 5 * time.Millisecond
	// sendTimeout bounds one attempt. A mail of an instance that was killed is tried again after
	// rescueAfter, which must be longer: until then the instance might still be sending it.
	sendTimeout = 45 * time.Second
	rescueAfter = time.Minute
	// maxAttempts are tried over two days: the n-th pause is n⁴ seconds.
	maxAttempts = 15
	// A letter has an address, so what was sent is soon forgotten. What failed is kept for a look
	// at it.
	keepSent, keepFailed = time.Hour, 7 * 24 * time.Hour
	// cutOff is how long mails may take to give up once a stop is out of patience.
	cutOff = 5 * time.Second
)

// Options are what a [Queue] is made of. Each is required but Allow and PollOnly.
type Options struct {
	Pool      *pgxpool.Pool
	Templates *Templates
	Sender    Sender
	From      netmail.Address
	Data      Data
	// Allow bounds how many mails a recipient gets. Nil bounds nothing.
	Allow  Allow
	Logger *slog.Logger
	// Now is the clock of the Date header.
	Now func() time.Time
	// PollOnly is for a database behind a connection pooler in transaction mode, where LISTEN can't
	// work. A mail may then wait for a second.
	PollOnly bool
}

// Queue keeps letters until they are sent. Any number of instances share the database's one queue.
type Queue struct {
	Options
	client *river.Client[pgx.Tx]
}

// job is a letter as River's arguments.
type job struct{ Letter }

// Kind is the name of the jobs in River's table.
func (job) Kind() string { return "mail" }

// New returns a queue that takes letters. It sends none before [Queue.Start].
func New(o Options) (*Queue, error) {
	if o.Pool == nil || o.Templates == nil || o.Sender == nil || o.Data == nil || o.Logger == nil || o.Now == nil {
		return nil, errors.New("mail: a pool, templates, a sender, data, a logger and a clock are needed")
	}
	if _, err := recipient(o.From.Address); err != nil {
		return nil, err
	}
	q := &Queue{Options: o}
	registered := river.NewWorkers()
	river.AddWorker(registered, &worker{q: q})
	client, err := river.NewClient(riverpgxv5.New(o.Pool), &river.Config{
		Queues: map[string]river.QueueConfig{
			queueName: {MaxWorkers: workers, FetchCooldown: fetchPause},
		},
		Workers:                     registered,
		MaxAttempts:                 maxAttempts,
		JobTimeout:                  sendTimeout,
		RescueStuckJobsAfter:        rescueAfter,
		CompletedJobRetentionPeriod: keepSent,
		CancelledJobRetentionPeriod: keepFailed,
		DiscardedJobRetentionPeriod: keepFailed,
		PollOnly:                    o.PollOnly,
		Logger:                      slog.New(atLeast{o.Logger.Handler(), slog.LevelWarn}),
	})
	if err != nil {
		return nil, err
	}
	q.client = client
	return q, nil
}

// NewOutbox returns a queue that takes letters and never sends one, for commands: a server sends
// them.
func NewOutbox(pool *pgxpool.Pool) (*Queue, error) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		return nil, err
	}
	return &Queue{client: client}, nil
}

// Enqueue adds a letter in a transaction. The mail is sent once the transaction is committed, and
// never if it is rolled back.
func (q *Queue) Enqueue(ctx context.Context, tx pgx.Tx, l Letter) error {
	if dataOf[l.Kind] == nil {
		return ErrUnknownKind
	}
	_, err := q.client.InsertTx(ctx, tx, job{l}, &river.InsertOpts{Queue: queueName, MaxAttempts: maxAttempts})
	return err
}

// Start sends mails until [Queue.Stop]. The end of ctx doesn't stop it.
func (q *Queue) Start(ctx context.Context) error { return q.client.Start(context.WithoutCancel(ctx)) }

// Stop takes no more letters from the queue, and returns when those that were taken are sent. When
// ctx ends it breaks off those that are still being sent. They stay in the queue and are tried
// again.
func (q *Queue) Stop(ctx context.Context) error {
	err := q.client.Stop(ctx)
	if ctx.Err() == nil {
		return err
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutOff)
	defer cancel()
	return q.client.StopAndCancel(bounded)
}

// worker sends the mails of letters.
type worker struct {
	river.WorkerDefaults[job]
	q *Queue
}

// Work sends one mail.
func (w *worker) Work(ctx context.Context, j *river.Job[job]) error {
	q, l := w.q, j.Args.Letter
	data, ok, err := q.Data(ctx, l)
	if err != nil {
		return err
	}
	if !ok {
		return nil
	}
	// An attempt that failed was counted, and sent nothing. So the later attempts don't ask. If the
	// first failed above, because the database did, one mail goes uncounted.
	if j.Attempt == 1 && q.Allow != nil {
		wait, err := q.Allow(ctx, l.To, l.Kind)
		if err != nil {
			return err
		}
		if wait > 0 {
			return river.JobSnooze(wait)
		}
	}
	// Only from here on: the limit is that of what was enqueued.
	l.Kind = kindOf(data)
	content, err := q.Templates.Write(l.Kind, l.Language, data)
	if err != nil {
		return err
	}
	message, err := NewMessage(q.From, l, content, q.Now())
	if err == nil {
		err = q.Sender.Send(ctx, message)
	}
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrAddress) {
		q.Logger.Warn("a mail can't be delivered", "kind", l.Kind, "id", l.ID)
		return river.JobCancel(err)
	}
	if err != nil {
		q.Logger.Warn("failed to send a mail, which is tried again",
			"kind", l.Kind, "id", l.ID, "attempt", j.Attempt, "error", failure(err))
		return err
	}
	w.complete(ctx, j)
	return nil
}

// complete records that a mail was sent. River would do so a moment later, with others. A server
// that is killed in this moment sends the mail again at its next start. If complete fails, River
// still does it.
func (w *worker) complete(ctx context.Context, j *river.Job[job]) {
	err := pgx.BeginFunc(ctx, w.q.Pool, func(tx pgx.Tx) error {
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, j)
		return err
	})
	if err != nil {
		w.q.Logger.Warn("failed to record at once that a mail was sent", "error", err)
	}
}

// atLeast drops the records below a level: what River has to say about each job is nobody's
// concern. River adds no attributes to its logger, so their handlers need no level.
type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}
