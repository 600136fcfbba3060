package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// The columns. The last one shows argon2id.
const (
	tree   = "tree"
	before = "before"
	alone  = "argon2id alone"
)

// unit is how a figure is written.
type unit int

const (
	perSecond  unit = iota
	duration        // in nanoseconds
	difference      // of two durations, in nanoseconds. It has no ratio.
	mebibytes
	count
)

// table collects figures. Each belongs to a row and to a column.
type table struct{ rows []*row }

type row struct {
	what    string
	unit    unit
	figures map[string][]float64 // by who was measured
	note    string
}

func (t *table) row(what string, u unit) *row {
	for _, r := range t.rows {
		if r.what == what {
			return r
		}
	}
	r := &row{what: what, unit: u, figures: map[string][]float64{}}
	t.rows = append(t.rows, r)
	return r
}

func (t *table) add(who, what string, u unit, figure float64) {
	r := t.row(what, u)
	r.figures[who] = append(r.figures[who], figure)
}

// cell returns the median of one's figures and, of all but the tree's, the tree's share of it.
func (r *row) cell(who string) string {
	figures := r.figures[who]
	if len(figures) == 0 {
		return ""
	}
	whole := quantile(figures, 0.5)
	text := r.unit.format(whole)
	if who != tree && r.unit != difference && whole != 0 {
		text += fmt.Sprintf(" (%.0f %%)", 100*quantile(r.figures[tree], 0.5)/whole)
	}
	return text
}

func (t *table) print(w io.Writer) {
	// Debug ends each cell with a bar.
	aligned := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.Debug)
	_, _ = fmt.Fprintf(
		aligned,
		"| what\t %s\t %s (tree, of it)\t beside it (tree, of it)\t\n|---\t---\t---\t---\t\n",
		tree,
		before,
	)
	for _, r := range t.rows {
		beside := r.note
		if r.figures[alone] != nil {
			beside = alone + " " + r.cell(alone)
		}
		_, _ = fmt.Fprintf(aligned, "| %s\t %s\t %s\t %s\t\n", r.what, r.cell(tree), r.cell(before), beside)
	}
	_ = aligned.Flush()
}

func (u unit) format(figure float64) string {
	switch {
	case u == perSecond && figure < 100:
		return fmt.Sprintf("%.1f/s", figure)
	case u == perSecond:
		return fmt.Sprintf("%.0f/s", figure)
	case u == difference:
		return fmt.Sprintf("%+.1f µs", figure/1e3)
	case u == duration && figure < 1e7:
		return fmt.Sprintf("%.0f µs", figure/1e3)
	case u == duration:
		return fmt.Sprintf("%.0f ms", figure/1e6)
	case u == mebibytes:
		return fmt.Sprintf("%.1f MiB", figure)
	}
	return fmt.Sprintf("%.0f", figure)
}

// quantile returns the value below which the share q of the values lies, or zero of none.
func quantile[N cmp.Ordered](values []N, q float64) (value N) {
	if len(values) == 0 {
		return value
	}
	return slices.Sorted(slices.Values(values))[int(float64(len(values)-1)*q)]
}
