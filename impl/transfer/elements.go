package transfer

import (
	"errors"
	"fmt"
	"io"
)

// errNotJSON reports a file that breaks off, or isn't JSON between its elements. Nothing behind it
// can be read.
var errNotJSON = errors.New("the file is not JSON, or breaks off")

// elements reads the elements of an array one by one: of a file that is an array, or of a member of
// a file that is an object. It splits the text and leaves it to the caller whether an element is
// JSON.
type elements struct{ in *input }

// newElements goes to the array. member is the name of the member, or empty for the file itself.
func newElements(in *input, member string) (elements, error) {
	e := elements{in}
	if member != "" {
		if err := e.find(member); err != nil {
			return elements{}, err
		}
	}
	if c, err := in.first(); err != nil || c != '[' {
		return elements{}, fmt.Errorf("the file has no array of users: %w", errNotJSON)
	}
	_, err := in.next()
	return e, err
}

// find goes to the value of a member of the object that the file is.
func (e elements) find(member string) error {
	if _, err := e.in.next(); err != nil { // its {
		return err
	}
	for {
		c, err := e.in.first()
		switch {
		case err != nil:
			return errNotJSON
		case c == ',':
			_, _ = e.in.next() // it was read
			continue
		case c != '"':
			return fmt.Errorf("the file has no member %q", member)
		}
		name, err := e.value()
		if err != nil && !errors.Is(err, errTooLong) {
			return err
		}
		if c, err := e.in.first(); err != nil || c != ':' {
			return errNotJSON
		}
		_, _ = e.in.next() // it was read
		if string(name) == `"`+member+`"` {
			return nil
		}
		if _, err := e.value(); err != nil && !errors.Is(err, errTooLong) {
			return err
		}
	}
}

// next returns the next element and the line that it begins in. It fails with io.EOF behind the
// last one, or [errTooLong].
func (e elements) next() (data []byte, line int, err error) {
	for {
		c, err := e.in.first()
		switch {
		case err != nil:
			return nil, e.in.line, errNotJSON
		case c == ']':
			return nil, e.in.line, io.EOF
		case c == ',':
			_, _ = e.in.next() // it was read
		default:
			line = e.in.line
			data, err = e.value()
			return data, line, err
		}
	}
}

// value returns the text of the value that comes next. It looks at brackets and quotes only.
func (e elements) value() ([]byte, error) {
	if _, err := e.in.first(); err != nil {
		return nil, errNotJSON
	}
	var (
		text   item
		depth  int
		inText bool
	)
	for {
		head, err := e.in.Peek(1)
		if err != nil {
			return nil, errNotJSON
		}
		c := head[0]
		if !inText && depth == 0 && (isSpace(c) || c == ',' || c == ':' || c == ']' || c == '}') {
			if len(text.data) == 0 && !text.tooLong {
				return nil, errNotJSON
			}
			return text.bytes() // a number or a name ends before it
		}
		if _, err := e.in.next(); err != nil {
			return nil, errNotJSON
		}
		text.add(c)
		switch {
		case c == '"':
			inText = !inText
		case inText && c == '\\':
			if c, err = e.in.next(); err != nil {
				return nil, errNotJSON
			}
			text.add(c)
			continue
		case inText:
			continue
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth == 0 && !inText && (c == '"' || c == '}' || c == ']') {
			return text.bytes()
		}
	}
}
