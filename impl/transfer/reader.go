package transfer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/latchkey-auth/latchkey/gen/api"
	"github.com/latchkey-auth/latchkey/impl/auth/account"
	"github.com/latchkey-auth/latchkey/impl/contract"
)

// Problem is a problem with a line. It never repeats a value of the file.
type Problem struct {
	Line int `json:"line"`
	// Imported reports that the user was imported all the same.
	Imported bool `json:"imported"`
	// Pointer is the member of the UserRecord (RFC 6901), empty for the line as a whole.
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// Line is what a line of a file says: a record, problems, or that its user stays behind.
type Line struct {
	Number   int
	Record   *Record
	Problems []Problem
	// Behind is why the user stays behind.
	Behind string
	// Unnamed reports that the user has a username there that is none here.
	Unnamed bool
}

// Source says what a file is.
type Source struct {
	// System is the system that the file comes from, nil for a file of UserRecords.
	System *System
	// Firebase are the hash parameters of a Firebase project.
	Firebase *FirebaseHash
	Now      time.Time
}

// Reader reads the users of a file one by one, in memory that doesn't depend on the file.
type Reader struct {
	source Source
	schema *contract.Schema
	json   interface {
		next() (data []byte, line int, err error)
	} // nil for CSV
	table table
	// known reports that a user had the members without which the file can't be what the system
	// exports.
	known bool
}

var readContract = sync.OnceValues(func() (*contract.Document, error) { return contract.Read(api.ContractJSON) })

// NewReader finds out by its beginning what a file is: JSON or CSV.
func NewReader(r io.Reader, source Source) (*Reader, error) {
	document, err := readContract()
	if err != nil {
		return nil, err
	}
	reader := &Reader{source: source}
	if reader.schema, err = document.Schema("UserRecord", contract.Rules{Formats: formats}); err != nil {
		return nil, err
	}
	in := newInput(r)
	if in.isUTF16() {
		return nil, errUTF16
	}
	member := ""
	if source.System != nil {
		member = source.System.member
	}
	head, err := in.first()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the file is empty")
	case err != nil:
		return nil, err
	case head == '[':
		reader.json, err = newElements(in, "")
	case head == '{' && member != "":
		reader.json, err = newElements(in, member)
	case head == '{':
		reader.json = lines{in}
	default:
		if reader.table, err = newTable(in); err == nil {
			err = reader.checkColumns()
		}
	}
	return reader, err
}

// errUTF16 reports a file as some programs save it as "Unicode".
var errUTF16 = errors.New("the file seems to be in UTF-16; save it as UTF-8")

// formats are the formats of the contract that the service judges itself.
var formats = map[string]func(string) string{
	"idn-email": func(text string) string {
		if _, err := account.CanonicalEmail(text); err != nil {
			return err.Error()
		}
		return ""
	},
	"date-time": contract.CheckTime,
}

// checkColumns fails if a file can't be what it is said to be.
func (r *Reader) checkColumns() error {
	needs, known := []string{"email"}, columns
	if r.source.System != nil {
		needs, known = r.source.System.needs, r.table.columns
		if needs == nil {
			return fmt.Errorf("the users of %s come as JSON, and the file is none", r.source.System.name)
		}
	}
	for _, name := range needs {
		if !slices.Contains(r.table.columns, name) {
			return fmt.Errorf("the first line has no column %s", name)
		}
	}
	for n, name := range r.table.columns {
		if !slices.Contains(known, name) {
			return fmt.Errorf("column %d is none of %s", n+1, strings.Join(known, ", "))
		}
	}
	return nil
}

// Next returns the next line. It fails with io.EOF at the end, or if nothing more can be read.
func (r *Reader) Next() (Line, error) {
	if r.json == nil {
		cells, n, err := r.table.next()
		if err != nil {
			return broken(n, err)
		}
		in := make(row, len(cells))
		for i, cell := range cells {
			in[r.table.columns[i]] = cell
		}
		return r.mapped(n, in)
	}
	data, n, err := r.json.next()
	if err != nil {
		return broken(n, err)
	}
	if r.source.System == nil {
		return r.judged(n, data), nil
	}
	var in row
	if json.Unmarshal(data, &in, keepNumbers) != nil {
		return problem(n, "", "malformed", "It is no JSON object in UTF-8."), nil //nolint:nilerr // it is this line's alone
	}
	return r.mapped(n, in)
}

// broken returns the line for an error of this line alone, and else the error.
func broken(n int, err error) (Line, error) {
	var own itemError
	if errors.As(err, &own) {
		return problem(n, "", "malformed", string(own)), nil
	}
	if errors.Is(err, io.EOF) {
		return Line{}, io.EOF
	}
	return Line{}, fmt.Errorf("line %d: %w", n, err)
}

func problem(n int, pointer, code, detail string) Line {
	return Line{Number: n, Problems: []Problem{{Line: n, Pointer: pointer, Code: code, Detail: detail}}}
}

// mapped returns the line of a row.
func (r *Reader) mapped(n int, in row) (Line, error) {
	var (
		made    record
		unnamed bool
	)
	if r.source.System == nil {
		made = fromCSV(in)
	} else {
		var reason string
		made, reason = r.source.System.record(in, mapping{r.source.Now, r.source.Firebase})
		if reason != "" {
			return Line{Number: n, Behind: reason}, nil
		}
		if missing := r.source.System.missing(in); missing != "" && !r.known {
			return Line{}, fmt.Errorf("line %d: the user has no member %s", n, missing)
		}
		r.known = true
		unnamed = made.tidy()
	}
	data, err := json.Marshal(made, json.Deterministic(true))
	if err != nil { // the texts of CSV
		return problem(n, "", "malformed", "It is not in UTF-8."), nil //nolint:nilerr // it is this line's alone
	}
	line := r.judged(n, data)
	line.Unnamed = unnamed
	return line, nil
}

// judged holds a UserRecord to the contract.
func (r *Reader) judged(n int, data []byte) Line {
	line := Line{Number: n}
	for _, v := range r.schema.Check(data) {
		line.Problems = append(line.Problems, Problem{Line: n, Pointer: v.Pointer, Code: v.Code, Detail: v.Detail})
	}
	if len(line.Problems) > 0 {
		return line
	}
	record := Record{IsActive: true}
	if json.Unmarshal(data, &record) != nil {
		return problem(n, "", "malformed", "It does not match its schema.")
	}
	line.Record = &record
	return line
}
