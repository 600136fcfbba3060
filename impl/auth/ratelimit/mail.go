package ratelimit

import (
	"context"
	"errors"
	"time"
)

// A recipient gets 1 mail a minute and 10 an hour of each kind, so that nobody fills a stranger's
// mailbox.
var (
	mailMinute = Budget{Name: "mail", Quota: 1, Step: time.Minute}
	mailHour   = Budget{Name: "mail", Quota: 10, Step: 6 * time.Minute}
)

// Mail charges a mail to its recipient's budgets, or to neither. It returns how long the mail must
// wait, 0 if it was charged. It fails with [store.ErrUnavailable].
func (l *Limiter) Mail(ctx context.Context, recipient, kind string) (wait time.Duration, err error) {
	if l == nil {
		return 0, nil
	}
	hour := charge{mailHour, l.keyOf("mail", "hour", kind, recipient)}
	minute := charge{mailMinute, l.keyOf("mail", "minute", kind, recipient)}
	err = l.take(ctx, Attempt{narrow: minute, wide: []charge{hour}})
	var limited *LimitedError
	if errors.As(err, &limited) {
		return limited.RetryAfter, nil
	}
	return 0, err
}
