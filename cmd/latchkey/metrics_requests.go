package main

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// requestMetrics are the counts and the times of requests, by operation.
type requestMetrics struct{ set *metrics.Set }

// otherOperation is the label of paths that the contract doesn't have, whose number nothing bounds.
const otherOperation = "other"

// requestBuckets are the upper bounds of the histogram, in seconds: from a read to a request that
// has used up its time.
var requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newRequestMetrics() *requestMetrics { return &requestMetrics{metrics.NewSet()} }

// observe records an answer. Each request waits for it, a microsecond or two.
func (m *requestMetrics) observe(operation string, status int, took time.Duration) {
	label := strconv.Quote(cmp.Or(operation, otherOperation))
	m.set.GetOrCreatePrometheusHistogramExt(
		"latchkey_http_request_duration_seconds{operation="+label+"}", requestBuckets,
	).Update(took.Seconds())
	m.set.GetOrCreateCounter(
		fmt.Sprintf("latchkey_http_requests_total{operation=%s,status=\"%d\"}", label, status),
	).Inc()
}
