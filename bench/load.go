package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// shot is a request that is sent again and again, and the status that it is to get.
type shot struct {
	addr, method, path, token, form string
	want                            int
	// forms are the first form of each connection, and next makes the one that follows of what was answered; nil where it is always the same.
	forms []string
	next  func(answer []byte) string
	// vary makes each request another one; nil where it is always the same.
	vary func(*fasthttp.Request)
}

func (s shot) prepare(req *fasthttp.Request) {
	req.SetRequestURI("http://" + s.addr + s.path)
	req.Header.SetMethod(s.method)
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	if s.form != "" || s.next != nil {
		req.Header.SetContentType("application/x-www-form-urlencoded")
		req.SetBodyString(s.form)
	}
}

// outcome is what a load came to.
type outcome struct {
	rate          float64 // answers in a second
	p50, p99, max time.Duration
	failed        int
	err           error // of one that failed
}

// latencies are those of one connection.
type latencies struct {
	all    []time.Duration
	failed int
	err    error // of the last that failed
}

func (l *latencies) fire(c *fasthttp.HostClient, req *fasthttp.Request, res *fasthttp.Response, want int, since time.Time) {
	if err := c.Do(req, res); err != nil || res.StatusCode() != want {
		l.failed++
		l.err = fmt.Errorf("status %d: %s (%w)", res.StatusCode(), res.Body(), err)
		return
	}
	l.all = append(l.all, time.Since(since))
}

// closedLoop sends on so many connections, each the next request when the last was answered.
func closedLoop(ctx context.Context, s shot, connections int, d time.Duration) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return together(connections, func(_ int, send func(time.Time)) {
		for ctx.Err() == nil {
			send(time.Now())
		}
	}, s, d)
}

// openLoop sends at a steady rate, whatever becomes of the answers: a latency counts from the moment at which the request was due.
func openLoop(ctx context.Context, s shot, connections int, rate float64, d time.Duration) (outcome, error) {
	start := time.Now()
	each := time.Duration(float64(connections) / rate * float64(time.Second))
	return together(connections, func(i int, send func(time.Time)) {
		for due := start.Add(each * time.Duration(i) / time.Duration(connections)); due.Sub(start) < d && ctx.Err() == nil; due = due.Add(each) {
			time.Sleep(time.Until(due))
			send(due)
		}
	}, s, d)
}

func together(connections int, work func(i int, send func(since time.Time)), s shot, d time.Duration) (outcome, error) {
	lists := make([]latencies, connections)
	var wg sync.WaitGroup
	for i := range lists {
		wg.Go(func() {
			c := &fasthttp.HostClient{Addr: s.addr, MaxConns: 1}
			defer c.CloseIdleConnections()
			var (
				req fasthttp.Request
				res fasthttp.Response
			)
			s.prepare(&req)
			if s.next != nil {
				req.SetBodyString(s.forms[i])
			}
			work(i, func(since time.Time) {
				if s.vary != nil {
					s.vary(&req)
				}
				lists[i].fire(c, &req, &res, s.want, since)
				if s.next != nil {
					req.SetBodyString(s.next(res.Body()))
				}
			})
		})
	}
	wg.Wait()
	var (
		all []time.Duration
		o   outcome
	)
	for _, l := range lists {
		all = append(all, l.all...)
		o.failed += l.failed
		if l.err != nil {
			o.err = l.err
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		return o, fmt.Errorf("nothing was answered as it should: %w", o.err)
	}
	o.rate = float64(len(all)) / d.Seconds()
	o.p50, o.p99, o.max = quantile(all, 0.5), quantile(all, 0.99), all[len(all)-1]
	return o, nil
}
