package main

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// requestMetrics are the counts and the times of requests, by operation.
type requestMetrics struct {
	set        *metrics.Set
	operations sync.Map // string, the operation's id, to *operationMetrics
}

// operationMetrics are the figures of one operation.
type operationMetrics struct {
	took *metrics.PrometheusHistogram
	// answers are the counts by status, each made when it is first needed.
	answers [lastStatus + 1]atomic.Pointer[metrics.Counter]
}

const lastStatus = 599

// otherOperation is the label of paths that the contract doesn't have, whose number nothing bounds.
const otherOperation = "other"

// requestBuckets are the upper bounds of the histogram, in seconds: from a read to a request that
// has used up its time.
var requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newRequestMetrics() *requestMetrics { return &requestMetrics{set: metrics.NewSet()} }

// observe records an answer. Each request waits for it.
func (m *requestMetrics) observe(operation string, status int, took time.Duration) {
	if operation == "" {
		operation = otherOperation
	}
	var of *operationMetrics
	if found, ok := m.operations.Load(operation); ok {
		of = found.(*operationMetrics)
	} else {
		of = m.add(operation)
	}
	of.took.Update(took.Seconds())
	if status < 0 || status > lastStatus {
		status = 0
	}
	answers := of.answers[status].Load()
	if answers == nil {
		answers = m.set.GetOrCreateCounter(fmt.Sprintf(
			`latchkey_http_requests_total{operation=%q,status=%q}`, operation, strconv.Itoa(status)))
		of.answers[status].Store(answers)
	}
	answers.Inc()
}

// add adds an operation. Two requests may add it at once.
func (m *requestMetrics) add(operation string) *operationMetrics {
	name := fmt.Sprintf("latchkey_http_request_duration_seconds{operation=%q}", operation)
	of := &operationMetrics{took: m.set.GetOrCreatePrometheusHistogramExt(name, requestBuckets)}
	found, _ := m.operations.LoadOrStore(operation, of)
	return found.(*operationMetrics)
}
