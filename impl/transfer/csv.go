package transfer

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
)

// maxColumns bounds the columns of a CSV file.
const maxColumns = 1000

// table reads a CSV file (RFC 4180) whose first record has the names of its columns.
type table struct {
	in      *input
	comma   byte // what separates the columns
	columns []string
}

func newTable(in *input) (table, error) {
	t := table{in: in, comma: in.separator()}
	names, _, err := t.next()
	if err != nil {
		return table{}, fmt.Errorf("the names of the columns in the first line: %w", err)
	}
	if len(names) > maxColumns {
		return table{}, fmt.Errorf("the first line has %d columns, at most %d are read", len(names), maxColumns)
	}
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			return table{}, errors.New("the first line has a column twice")
		}
		seen[name] = true
	}
	t.columns = names
	return t, nil
}

// separator returns what the first line separates its columns by. Where the decimal sign is a
// comma, Excel writes a semicolon.
func (in *input) separator() byte {
	head, _ := in.Peek(in.Buffered()) // no more than was read
	head, _, _ = bytes.Cut(head, []byte{'\n'})
	most := byte(',')
	for _, c := range []byte(";\t") {
		if bytes.Count(head, []byte{c}) > bytes.Count(head, []byte{most}) {
			most = c
		}
	}
	return most
}

// next returns the next record and the line that it begins in. It fails with io.EOF at the end,
// [errTooLong], or what else is wrong with this record alone.
func (t table) next() (cells []string, line int, err error) {
	data, line, err := t.record()
	if err != nil {
		return nil, line, err
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma = rune(t.comma)
	r.FieldsPerRecord = -1
	cells, err = r.Read()
	switch {
	case err != nil:
		return nil, line, itemError("Its quotes are not those of CSV.") // the error has another line
	case t.columns != nil && len(cells) != len(t.columns):
		return nil, line, itemError(fmt.Sprintf("It has %d columns, and the first line has %d.", len(cells), len(t.columns)))
	}
	return cells, line, nil
}

// record returns the text of the next record. A line break between quotes doesn't end it. Empty
// lines are left out.
func (t table) record() ([]byte, int, error) {
	for {
		var (
			text     item
			line     = t.in.line
			inQuotes bool
			atStart  = true // of a cell
		)
		for {
			c, err := t.in.next()
			if errors.Is(err, io.EOF) && (len(text.data) > 0 || text.tooLong) {
				break
			}
			if err != nil {
				return nil, line, err
			}
			text.add(c)
			if c == '"' && (inQuotes || atStart) {
				inQuotes = !inQuotes
				atStart = !inQuotes // a second quote opens the cell again
				continue
			}
			if c == '\n' && !inQuotes {
				break
			}
			atStart = c == t.comma && !inQuotes
		}
		data, err := text.bytes()
		if err != nil || len(bytes.TrimSpace(data)) > 0 {
			return data, line, err
		}
	}
}
