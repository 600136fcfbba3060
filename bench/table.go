package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// table collects rows: what was measured, the figure, and what it is held to.
type table struct{ rows [][3]string }

func (t *table) add(what, figure, limit string) {
	t.rows = append(t.rows, [3]string{what, figure, limit})
}

func (t *table) print(w io.Writer) {
	widths := [3]int{}
	rows := append([][3]string{{"what", "measured", "beside it"}}, t.rows...)
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for i, row := range rows {
		line := "|"
		for c, cell := range row {
			line += " " + cell + strings.Repeat(" ", widths[c]-len([]rune(cell))) + " |"
		}
		_, _ = fmt.Fprintln(w, line)
		if i == 0 {
			_, _ = fmt.Fprintf(w, "|%s|%s|%s|\n", strings.Repeat("-", widths[0]+2), strings.Repeat("-", widths[1]+2), strings.Repeat("-", widths[2]+2))
		}
	}
}

// median answers the middle of what f says of each.
func median[T any, N cmp.Ordered](all []T, f func(T) N) N {
	var zero N
	if len(all) == 0 {
		return zero
	}
	values := make([]N, len(all))
	for i, v := range all {
		values[i] = f(v)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func medianOf[N cmp.Ordered](all []N) N { return median(all, func(n N) N { return n }) }

// quantile answers the q-th part of sorted times.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(float64(len(sorted)-1)*q)]
}

func micros(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return d.Round(time.Second).String()
}

func percent(part, whole float64) string {
	if whole == 0 {
		return "n/a"
	}
	return fmt.Sprintf("%.0f %%", 100*part/whole)
}
