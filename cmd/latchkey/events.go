package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl/auth"
	"github.com/latchkey-auth/latchkey/impl/auth/event"
)

// followEvery is the interval at which `latchkey events --follow` looks for new events. Tests
// shorten it.
var followEvery = time.Second

// eventsPage is how many events are read at once.
const eventsPage = 500

// eventsFlags are the flags of `latchkey events`, as they were typed.
type eventsFlags struct {
	user, what, since, until string
	follow, asJSON           bool
}

func (r *root) eventsCommand() *cobra.Command {
	var flags eventsFlags
	cmd := &cobra.Command{
		Use:   "events",
		Short: "List what happened to accounts",
		Long: "List what happened to accounts, the newest first. The filters hold together. TIME is as in RFC 3339,\n" +
			"a date (2026-01-05, in UTC), or how long ago it is (24h).\n\n" +
			"--follow prints the events from now on, or from --since on, the oldest first, until it is interrupted.",
		RunE: func(cmd *cobra.Command, _ []string) error { return r.printEvents(cmd.Context(), flags) },
	}
	cmd.Flags().StringVar(&flags.user, "user", "", "a user's email, username or id; of a deleted user, the id")
	cmd.Flags().StringVar(&flags.what, "type", "", "what happened, such as login.failed")
	cmd.Flags().StringVar(&flags.since, "since", "", "not before this `TIME`")
	cmd.Flags().StringVar(&flags.until, "until", "", "before this `TIME`")
	cmd.Flags().BoolVar(&flags.follow, "follow", false, "print new events as they happen")
	cmd.Flags().BoolVar(&flags.asJSON, "json", false, "print one JSON object on a line for each event")
	return cmd
}

func (r *root) printEvents(ctx context.Context, flags eventsFlags) error {
	filter, err := flags.filter(time.Now())
	if err != nil {
		return usageError{err}
	}
	return r.withService(ctx, false, func(service *auth.Service) error {
		if filter.UserID, err = eventsUser(ctx, service, flags.user); err != nil {
			return err
		}
		list, err := newEventList(r.out, flags.asJSON)
		if err != nil {
			return err
		}
		if !flags.follow {
			return eachEvent(ctx, service, filter, list.add)
		}
		err = followEvents(ctx, service, filter, list.add)
		return unlessInterrupted(ctx, err)
	})
}

// filter returns the filter without its user.
func (f eventsFlags) filter(now time.Time) (filter auth.EventFilter, err error) {
	if f.follow && f.until != "" {
		return filter, errors.New("--follow and --until can't go together")
	}
	filter.Type = event.Type(f.what)
	if f.what != "" && !slices.Contains(event.Types, filter.Type) {
		return filter, fmt.Errorf("--type is %q, must be one of %s", f.what, eventTypes())
	}
	if filter.Since, err = parseTime("--since", f.since, now); err != nil {
		return filter, err
	}
	filter.Until, err = parseTime("--until", f.until, now)
	return filter, err
}

// eventTypes returns the types of events as a list in words.
func eventTypes() string {
	types := make([]string, len(event.Types))
	for i, t := range event.Types {
		types[i] = string(t)
	}
	return strings.Join(types, ", ")
}

// parseTime reads a time, a date, or how long ago something was. An empty text is the zero time.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%s is %q, must be a time such as 2026-01-05T09:30:00Z, "+
		"a date, or a duration such as 24h", flag, text)
}

// eventsUser returns the id of a user, which may have been deleted, or zero for an empty text.
func eventsUser(ctx context.Context, service *auth.Service, who string) (uuid.UUID, error) {
	if who == "" {
		return uuid.Nil, nil
	}
	user, err := service.FindUser(ctx, who)
	if !errors.Is(err, auth.ErrNoUser) {
		return user.ID, err
	}
	if id, err := uuid.Parse(who); err == nil {
		return id, nil
	}
	return uuid.Nil, fmt.Errorf("there is no user %q; a deleted user has only its id", who)
}

// eachEvent calls show with each event of a filter, the newest first.
func eachEvent(ctx context.Context, service *auth.Service, f auth.EventFilter, show func(event.Event) error) error {
	for cursor := ""; ; {
		page, err := service.ListEvents(ctx, f, cursor, eventsPage)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			if err := show(e); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// followEvents calls show with each new event until ctx ends.
func followEvents(ctx context.Context, service *auth.Service, f auth.EventFilter, show func(event.Event) error) error {
	feed, err := service.FollowEvents(ctx, f)
	if err != nil {
		return err
	}
	if !f.Since.IsZero() {
		if err := feed.Past(ctx, show); err != nil {
			return err
		}
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if err := feed.Next(ctx, show); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
