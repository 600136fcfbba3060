// Package ratelimit bounds how often passwords are guessed and accounts are made.
//
// Each attempt is charged to one or two budgets. A budget allows a number of attempts at once, its
// quota, and gets one of them back after each step of time. What is charged to it is a row of the
// table budgets, under a key that doesn't reveal whose budget it is. A refused attempt fails with a
// [*LimitedError]. This file lists all budgets.
package ratelimit

import "time"

// Budget is how many attempts may be made at once, and the time until one of them comes back.
type Budget struct {
	Name  string
	Quota int
	Step  time.Duration
}

// Window is how long an exhausted budget takes to be whole again.
func (b Budget) Window() time.Duration { return time.Duration(b.Quota) * b.Step }

// The budgets. A login that succeeds is given back, so that these bound failures; a registration is
// not.
//
// An account's is what NIST SP 800-63B-4 section 3.2.2 bounds: 10 at once and 96 a day, of all
// strangers together. A client that comes from an address that has logged in lately, or presents a
// session, has an own one. An address may be a whole school's.
var (
	loginAccount = Budget{Name: "account", Quota: 10, Step: 15 * time.Minute}
	loginAddress = Budget{Name: "address", Quota: 100, Step: 36 * time.Second}
	loginOwn     = Budget{Name: "own", Quota: 10, Step: 5 * time.Minute}
	loginShared  = Budget{
		Name:  "address",
		Quota: 300,
		Step:  12 * time.Second,
	} // of an address, to all accounts that know it
	registerAccount = Budget{Name: "account", Quota: 5, Step: 12 * time.Minute}
	registerAddress = Budget{Name: "address", Quota: 50, Step: 72 * time.Second}
	// Of each purpose, so that who has another's mailbox flooded for one doesn't block the others.
	codeAccount = Budget{Name: "account", Quota: 10, Step: 6 * time.Minute}
	codeAddress = Budget{Name: "address", Quota: 10, Step: 6 * time.Minute}
	// A refresh token can't be forged: one that isn't ours costs no statement. So only a session
	// has a budget, in its row.
	refreshSession = Budget{Name: "session", Quota: 300, Step: time.Second}
)

// LimitedError reports that a budget is used up. It is the same for an account that doesn't exist.
type LimitedError struct {
	Budget Budget
	// RetryAfter is when the next attempt is allowed.
	RetryAfter time.Duration
}

func (e *LimitedError) Error() string {
	return "too many attempts: the budget " + e.Budget.Name + " is used up"
}
