package main

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// Each answer is counted once, by operation and status, and in each bucket that it fits in.
func TestRequestMetrics(t *testing.T) {
	m := newRequestMetrics()
	var all sync.WaitGroup
	const each = 50
	for range 8 {
		all.Go(func() {
			for range each {
				m.observe("Login", 200, 30*time.Millisecond)
				m.observe("Login", 401, 700*time.Millisecond)
				m.observe("", 404, time.Millisecond)
				m.observe("GetReadiness", 503, time.Minute)
			}
		})
	}
	all.Wait()
	var text strings.Builder
	m.set.WritePrometheus(&text)
	for _, line := range []string{
		`latchkey_http_requests_total{operation="Login",status="200"} 400`,
		`latchkey_http_requests_total{operation="Login",status="401"} 400`,
		`latchkey_http_requests_total{operation="other",status="404"} 400`,
		`latchkey_http_requests_total{operation="GetReadiness",status="503"} 400`,
		`latchkey_http_request_duration_seconds_bucket{operation="Login",le="0.025"} 0`,
		`latchkey_http_request_duration_seconds_bucket{operation="Login",le="0.05"} 400`,
		`latchkey_http_request_duration_seconds_bucket{operation="Login",le="1"} 800`,
		`latchkey_http_request_duration_seconds_bucket{operation="Login",le="+Inf"} 800`,
		`latchkey_http_request_duration_seconds_count{operation="Login"} 800`,
		`latchkey_http_request_duration_seconds_bucket{operation="GetReadiness",le="10"} 0`,
		`latchkey_http_request_duration_seconds_bucket{operation="GetReadiness",le="+Inf"} 400`,
	} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("there is no %s in\n%s", line, &text)
		}
	}
}

// BenchmarkObserve is what the metrics add to each request.
func BenchmarkObserve(b *testing.B) {
	m := newRequestMetrics()
	b.ReportAllocs()
	for b.Loop() {
		m.observe("GetCurrentUser", 200, 800*time.Microsecond)
	}
}
