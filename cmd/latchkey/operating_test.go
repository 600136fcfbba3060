package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/oasdiff/yaml"

	"github.com/latchkey-auth/latchkey/impl"
	"github.com/latchkey-auth/latchkey/impl/impltest"
)

// operating returns a file of docs/operating.
func operating(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operating", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// alert is a rule of docs/operating/alerts.yaml.
type alert struct {
	Alert, Expr string
	Annotations struct{ Runbook string }
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	if _, err := yaml.Unmarshal([]byte(operating(t, "alerts.yaml")), &file, yaml.DecodeOpts{}); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) != 6 {
		t.Fatalf("got %v, want one group of six alerts", file)
	}
	return file.Groups[0].Rules
}

// boardExpressions returns the queries of the board in PromQL, without Grafana's variables.
func boardExpressions(t *testing.T) (all []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(operating(t, "grafana.json")), &board); err != nil {
		t.Fatal(err)
	}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			all = append(all, strings.NewReplacer("$__rate_interval", "5m", "$job", ".+").Replace(target.Expr))
		}
	}
	if len(all) < 20 {
		t.Fatalf("the board has %d queries", len(all))
	}
	return all
}

var (
	metricName      = regexp.MustCompile(`\b(?:latchkey|process|go)_\w+`)
	histogramSuffix = regexp.MustCompile(`_seconds_(?:bucket|count|sum)$`)
	operationLabel  = regexp.MustCompile(`operation(?:=|!=|=~|!~)"([^"]*)"`)
)

// checkOperating compares the board and the alerts with the metrics of a server: each metric that
// they name is served, and the board shows each metric of the service.
func checkOperating(t *testing.T, served string) {
	t.Helper()
	isServed, isShown := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(\w+)[ {]`).FindAllStringSubmatch(served, -1) {
		isServed[m[1]] = true
	}
	board := boardExpressions(t)
	expressions := board
	for _, a := range alerts(t) {
		expressions = append(expressions, a.Expr)
	}
	operations := contractOperations(t)
	for _, expression := range expressions {
		for _, name := range metricName.FindAllString(expression, -1) {
			if !isServed[name] {
				t.Errorf("no metric is called %s, which is used in %s", name, expression)
			}
		}
		for _, m := range operationLabel.FindAllStringSubmatch(expression, -1) {
			for id := range strings.SplitSeq(m[1], "|") {
				if !operations[id] {
					t.Errorf("no operation is called %s, which is used in %s", id, expression)
				}
			}
		}
	}
	for _, expression := range board {
		for _, name := range metricName.FindAllString(expression, -1) {
			isShown[histogramSuffix.ReplaceAllString(name, "_seconds")] = true
		}
	}
	for name := range isServed {
		if name = histogramSuffix.ReplaceAllString(name, "_seconds"); strings.HasPrefix(name, "latchkey_") && !isShown[name] {
			t.Errorf("the board doesn't show %s", name)
		}
	}
}

// contractOperations returns the ids of the contract's operations.
func contractOperations(t *testing.T) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^ +operationId: (\w+)$`).FindAllSubmatch(impl.ContractPages().YAML, -1) {
		ids[string(m[1])] = true
	}
	return ids
}

// Each alert says where to read on, and the page has a section for it.
func TestAlertsAreExplained(t *testing.T) {
	t.Parallel()
	page := operating(t, "README.md")
	for _, a := range alerts(t) {
		if want := "docs/operating/README.md#" + strings.ToLower(a.Alert); a.Annotations.Runbook != want {
			t.Errorf("%s: the runbook is %q, want %q", a.Alert, a.Annotations.Runbook, want)
		}
		if !strings.Contains(page, "\n## "+a.Alert+"\n") {
			t.Errorf("docs/operating/README.md has no section %s", a.Alert)
		}
	}
}

// Prometheus takes the rules and the queries of the board, and each alert fires when it should.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	promtool := impltest.Installed(t, "/usr/bin/promtool")
	rules := filepath.Join(t.TempDir(), "board.yaml")
	var text strings.Builder
	text.WriteString("groups:\n  - name: board\n    rules:\n")
	for i, expression := range boardExpressions(t) {
		fmt.Fprintf(&text, "      - record: board:query%d\n        expr: %q\n", i, expression)
	}
	if err := os.WriteFile(rules, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "rules", rules}, {"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"},
	} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = filepath.Join("..", "..", "docs", "operating")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	tested := operating(t, "alerts_test.yaml")
	for _, a := range alerts(t) {
		fires := regexp.MustCompile(`alertname: ` + a.Alert + `\n +exp_alerts:`)
		if !fires.MatchString(tested) || !strings.Contains(tested, "alertname: "+a.Alert+"}") {
			t.Errorf("alerts_test.yaml needs a case in which %s fires, and one in which it doesn't", a.Alert)
		}
	}
}
