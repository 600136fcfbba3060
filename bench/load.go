package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// shot is a request, and the status that is expected.
type shot struct {
	addr, method, path, token, body string
	want                            int
}

// set makes req the request.
func (s shot) set(req *fasthttp.Request) {
	req.SetRequestURI("http://" + s.addr + s.path)
	req.Header.SetMethod(s.method)
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	if s.body == "" {
		return
	}
	req.Header.SetContentType("application/x-www-form-urlencoded")
	if strings.HasPrefix(s.body, "{") {
		req.Header.SetContentType("application/json")
	}
	req.SetBodyString(s.body)
}

// fire fails for a response with another status than the wanted one.
func fire(c *fasthttp.HostClient, req *fasthttp.Request, res *fasthttp.Response, want int) error {
	if err := c.Do(req, res); err != nil || res.StatusCode() != want {
		return fmt.Errorf("status %d: %s (%w)", res.StatusCode(), res.Body(), err)
	}
	return nil
}

// once sends the request by itself, and returns the body of the response.
func (s shot) once() ([]byte, error) {
	var (
		req fasthttp.Request
		res fasthttp.Response
		c   = &fasthttp.HostClient{Addr: s.addr}
	)
	defer c.CloseIdleConnections()
	s.set(&req)
	err := fire(c, &req, &res, s.want)
	return res.Body(), err
}

// shots returns the request that a connection sends next. body is that of its last response, and
// empty before the first request.
type shots func(body []byte) shot

func always(s shot) shots { return func([]byte) shot { return s } }

// outcome is the result of a load.
type outcome struct {
	rate     float64 // responses in a second
	p50, p99 time.Duration
	cpu      time.Duration // of the server, for each response
}

// load sends requests on several connections. With a rate of 0, each connection sends its next
// request after the last response. Otherwise they send at that rate together, and a latency counts
// from the moment at which the request was due.
func (b *bench) load(ctx context.Context, p *process, next shots, connections int, rate float64) (outcome, error) {
	var (
		first = make([]shot, connections)
		times = make([][]time.Duration, connections)
		errs  = make([][]error, connections)
		wg    sync.WaitGroup
	)
	for i := range first { // outside of what is measured
		first[i] = next(nil)
	}
	start, spent := time.Now(), p.cpu()
	for i := range connections {
		wg.Go(func() {
			c := &fasthttp.HostClient{Addr: p.addr, MaxConns: 1}
			defer c.CloseIdleConnections()
			var (
				req  fasthttp.Request
				res  fasthttp.Response
				last shot
			)
			for n, s := 0, first[i]; ; n, s = n+1, next(res.Body()) {
				due := time.Now()
				if rate > 0 {
					due = start.Add(time.Duration(float64(n*connections+i) / rate * float64(time.Second)))
					time.Sleep(time.Until(due))
				}
				if due.Sub(start) >= b.duration || ctx.Err() != nil {
					return
				}
				if s != last {
					s.set(&req)
					last = s
				}
				if err := fire(c, &req, &res, s.want); err != nil {
					errs[i] = append(errs[i], err)
				} else {
					times[i] = append(times[i], time.Since(due))
				}
			}
		})
	}
	wg.Wait()
	took, cpu := time.Since(start), p.cpu()-spent
	all, failed := slices.Concat(times...), slices.Concat(errs...)
	if len(failed) > 0 { // reported at once, because a rate leaves them out
		b.failed.Add(int64(len(failed)))
		fmt.Fprintf(os.Stderr, "bench: %s: %d requests failed, one of them with %v\n", p.name, len(failed), failed[0])
	}
	if len(all) == 0 {
		why := cmp.Or(errors.Join(failed[:min(1, len(failed))]...), ctx.Err())
		return outcome{}, fmt.Errorf("%s: no request succeeded: %w", p.name, why)
	}
	rate = float64(len(all)) / took.Seconds()
	return outcome{rate, quantile(all, 0.5), quantile(all, 0.99), cpu / time.Duration(len(all))}, ctx.Err()
}
