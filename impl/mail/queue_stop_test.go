package mail

import (
	"context"
	"errors"
	netmail "net/mail"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// A mail over its recipient's limit waits. An attempt that fails is counted once.
func TestAllow(t *testing.T) {
	t.Parallel()
	var asked, refused atomic.Int32
	s := newServer(t, func(command, _ string) error {
		if command == "DATA" && refused.Add(1) == 1 {
			return &smtp.SMTPError{Code: 451, Message: "later"}
		}
		return nil
	})
	o := options(t, sender(t, "smtp://"+s.addr))
	o.Allow = func(_ context.Context, to string, kind Kind) (time.Duration, error) {
		if to != "ada@example.com" || kind != NewDevice {
			return 0, errors.New("not the letter's")
		}
		if asked.Add(1) < 3 {
			return time.Millisecond, nil
		}
		return 0, nil
	}
	q := start(t, o)
	enqueue(t, q, another(NewDevice))
	eventuallyStates(t, q, "completed 2 1")
	if asked.Load() != 3 || len(s.mails()) != 1 {
		t.Errorf("it was asked %d times, want 3, and %d mails arrived", asked.Load(), len(s.mails()))
	}
}

// A mail whose code has expired is dropped. One whose data can't be read is tried again.
func TestData(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	o := options(t, sender(t, "smtp://"+s.addr))
	var asked atomic.Int32
	o.Data = func(_ context.Context, l Letter) (any, bool, error) {
		if l.Kind != EmailChanged || l.Language != "de" || l.To != "ada@example.com" || !l.At.Equal(sentAt) {
			return nil, false, errors.New("another letter")
		}
		if asked.Add(1) == 1 {
			return nil, false, errors.New("no database")
		}
		return nil, false, nil
	}
	q := start(t, o)
	l := another(EmailChanged)
	l.Language = "de"
	enqueue(t, q, l)
	eventuallyStates(t, q, "completed 2 1")
	if n := len(s.mails()); n != 0 {
		t.Errorf("%d mails arrived, want none", n)
	}
}

// Stop waits for the mails that are being sent. When its context ends it breaks them off, and they
// stay in the queue.
func TestStop(t *testing.T) {
	t.Parallel()
	for _, isBrokenOff := range []bool{false, true} {
		entered, released := make(chan struct{}, 1), make(chan struct{})
		s := newServer(t, func(command, _ string) error {
			if command == "DONE" {
				entered <- struct{}{}
				<-released
			}
			return nil
		})
		q, err := New(options(t, sender(t, "smtp://"+s.addr)))
		if err == nil {
			err = q.Start(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		enqueue(t, q, another(LoginCode))
		<-entered
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- q.Stop(ctx) }()
		want := "completed 1"
		if isBrokenOff {
			cancel()
			want = "retryable 1 1"
		} else {
			select {
			case err := <-stopped:
				t.Fatalf("Stop didn't wait: %v", err)
			case <-q.client.Stopped():
				t.Fatal("the client didn't wait")
			default:
			}
			close(released)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if isBrokenOff {
			close(released)
		}
		cancel()
		if got := states(t, q); got != want && !(isBrokenOff && got == "available 1 1") {
			t.Errorf("the job is %s, want %s", got, want)
		}
	}
}

// All options of a queue are required.
func TestNew(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	for name, change := range map[string]func(*Options){
		"no pool": func(o *Options) { o.Pool = nil }, "no sender": func(o *Options) { o.Sender = nil }, "no data": func(o *Options) { o.Data = nil },
		"no templates": func(o *Options) { o.Templates = nil }, "no clock": func(o *Options) { o.Now = nil }, "no logger": func(o *Options) { o.Logger = nil },
		"no address": func(o *Options) { o.From = netmail.Address{} },
	} {
		o := options(t, sender(t, "smtp://"+s.addr))
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
