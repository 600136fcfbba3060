package main

import (
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/postgres/postgrestest"
)

// The metrics are on an address of their own, and count what happened.
func TestMetrics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	environ := onDatabase(postgrestest.New(t), "LATCHKEY_METRICS_ADDR=127.0.0.1:0", "LATCHKEY_DATA_DIR="+dir)
	p, server := serve(t, dir, environ)
	var found []string
	// Standard error is another pipe, so its line may come after the start line.
	for deadline := time.Now().Add(patience); found == nil; {
		if _, err := fetch(server + "/healthz"); err != nil || time.Now().After(deadline) {
			t.Fatalf("the log doesn't contain the address of the metrics: %v\n%s", err, p.stderr)
		}
		found = regexp.MustCompile(`at=(http://[0-9.:]+)/metrics`).FindStringSubmatch(p.stderr.String())
	}
	for range 12 {
		if _, err := login(server, "eve@example.com", "wrong"); err != nil {
			t.Fatal(err)
		}
	}
	a, err := register(server, "ada@example.com", "ada", "correct horse battery staple")
	if err != nil || a.status != 201 {
		t.Fatalf("register: %d, %v", a.status, err)
	}
	if a, err := login(server, "ada@example.com", "correct horse battery staple"); err != nil || a.status != 200 {
		t.Fatalf("login: %d, %v", a.status, err)
	}
	if a, err := fetch(server + "/api/nothing/ada/"); err != nil || a.status != 404 {
		t.Fatalf("a path that is not in the contract: %d, %v", a.status, err)
	}
	a, err = fetch(found[1] + "/metrics")
	if err != nil || a.status != 200 {
		t.Fatalf("metrics: %d, %v", a.status, err)
	}
	for _, line := range []string{
		`latchkey_logins_total{outcome="succeeded"} 1`, `latchkey_logins_total{outcome="failed"} 10`,
		`latchkey_limited_total{budget="account"} 2`, `latchkey_limited_total{budget="address"} 0`,
		`latchkey_password_hashes_waiting 0`, `latchkey_password_hashes_running 0`,
		`latchkey_password_hashes_refused_total 0`,
		`latchkey_http_requests_total{operation="Login",status="401"} 10`,
		`latchkey_http_requests_total{operation="Login",status="429"} 2`,
		`latchkey_http_requests_total{operation="Login",status="200"} 1`,
		`latchkey_http_requests_total{operation="RegisterUser",status="201"} 1`,
		`latchkey_http_requests_total{operation="other",status="404"} 1`,
		`latchkey_http_request_duration_seconds_bucket{operation="Login",le="+Inf"} 13`,
		`latchkey_http_request_duration_seconds_count{operation="Login"} 13`,
		`latchkey_database_connections_max `, `latchkey_database_connections{state="used"} `,
		`latchkey_build_info{version="dev"} 1`,
		`latchkey_mails{state="waiting"} 0`, `latchkey_mails{state="retrying"} 0`, `latchkey_mails{state="given_up"} 0`,
		`process_resident_memory_bytes`,
	} {
		if !strings.Contains(a.body, line) {
			t.Errorf("there is no %s", line)
		}
	}
	for _, name := range []string{"ada", "eve", "example.com"} {
		if strings.Contains(a.body, name) {
			t.Errorf("the metrics contain %s", name)
		}
	}
	checkMetricsPage(t, a.body)
	checkOperating(t, a.body)
	if a, err := get(server + "/metrics"); err != nil || a.status != 404 {
		t.Errorf("metrics at the API's address: %d, %v; want 404", a.status, err)
	}
	if a, err := fetch(found[1] + "/api/users/me/"); err != nil || a.status != 404 {
		t.Errorf("the API at the metrics' address: %d, %v; want 404", a.status, err)
	}
	p.stop(t)
}

// checkMetricsPage compares docs/operations.md with the metrics: it has a row for each metric with
// its labels.
func checkMetricsPage(t *testing.T, metrics string) {
	t.Helper()
	served, listed := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(latchkey_\w+)(?:\{(\S+)\})? `).FindAllStringSubmatch(metrics, -1) {
		name := histogramSuffix.ReplaceAllString(m[1], "_seconds")
		var labels []string
		for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
			if label[1] != "le" { // it comes with a histogram
				labels = append(labels, label[1])
			}
		}
		if labels != nil {
			name += "{" + strings.Join(labels, ",") + "}"
		}
		served[name] = true
	}
	for _, r := range tableRows(t, "operations.md", "`latchkey_") {
		listed[strings.Trim(r[0], "`")] = true
	}
	if diff := cmp.Diff(served, listed); diff != "" {
		t.Errorf("docs/operations.md lists other metrics (-served +listed):\n%s", diff)
	}
}

// fetch requests a path that the contract doesn't have.
func fetch(target string) (answer, error) {
	res, err := client.Get(target)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(text)}, err
}
