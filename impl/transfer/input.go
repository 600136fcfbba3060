package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// maxItem bounds a line of JSON, a record of CSV and an element of an array, in bytes. A longer one
// is read to its end and dropped, so that memory doesn't grow with it.
const maxItem = 1 << 20

// itemError is a problem with one item. The items after it can be read.
type itemError string

func (e itemError) Error() string { return string(e) }

// errTooLong reports an item of more than [maxItem] bytes.
const errTooLong = itemError("It has more than 1 MiB.")

// input is the text of a file, whose lines are counted.
type input struct {
	*bufio.Reader
	line int // that of the next byte, from 1
}

func newInput(r io.Reader) *input {
	in := &input{bufio.NewReaderSize(r, 64<<10), 1}
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(len(mark)) // they were read
	}
	return in
}

// isUTF16 reports whether the file begins as a text in UTF-16 does: with a byte order mark, or with
// a zero byte in the first character.
func (in *input) isUTF16() bool {
	head, _ := in.Peek(2)
	return len(head) == 2 && (head[0] == 0 || head[1] == 0 || string(head) == "\xff\xfe" || string(head) == "\xfe\xff")
}

// next returns the next byte.
func (in *input) next() (byte, error) {
	c, err := in.ReadByte()
	if c == '\n' && err == nil {
		in.line++
	}
	return c, err
}

// first returns the first byte that is no white space, and leaves it.
func (in *input) first() (byte, error) {
	for {
		head, err := in.Peek(1)
		if err != nil {
			return 0, err
		}
		if !isSpace(head[0]) {
			return head[0], nil
		}
		if _, err := in.next(); err != nil {
			return 0, err
		}
	}
}

func isSpace(c byte) bool { return strings.IndexByte(" \t\r\n", c) >= 0 }

// item collects the bytes of one item, at most [maxItem] of them.
type item struct {
	data    []byte
	tooLong bool
}

func (i *item) add(data ...byte) {
	if i.tooLong || len(i.data)+len(data) > maxItem {
		i.tooLong, i.data = true, nil
		return
	}
	i.data = append(i.data, data...)
}

func (i *item) bytes() ([]byte, error) {
	if i.tooLong {
		return nil, errTooLong
	}
	return i.data, nil
}

// lines reads a file with an item on each line. Empty lines are left out.
type lines struct{ in *input }

// next returns the next item and its line. It fails with io.EOF at the end, or [errTooLong].
func (l lines) next() (data []byte, line int, err error) {
	for {
		line = l.in.line
		var text item
		for {
			part, err := l.in.ReadSlice('\n')
			text.add(part...)
			if err == nil {
				l.in.line++
				break
			}
			if errors.Is(err, io.EOF) && (len(text.data) > 0 || text.tooLong) {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return nil, line, err
			}
		}
		data, err := text.bytes()
		if data = bytes.TrimSpace(data); err != nil || len(data) > 0 {
			return data, line, err
		}
	}
}
