package transfer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"

	"github.com/latchkey-auth/latchkey/impl/auth"
)

// Format is a form of a file of UserRecords.
type Format string

// The formats.
const (
	JSONLines Format = "jsonl"
	CSV       Format = "csv"
)

// Check fails if there is no such format.
func (f Format) Check() error {
	if f != JSONLines && f != CSV {
		return fmt.Errorf("there is no format %q, must be %s or %s", f, JSONLines, CSV)
	}
	return nil
}

// Export writes every user as a UserRecord, in the order of their ids. It leaves the hashes of the
// passwords out unless withHashes is true.
func Export(ctx context.Context, service *auth.Service, w io.Writer, format Format, withHashes bool) error {
	out := bufio.NewWriter(w)
	write, flush, err := writer(out, format)
	if err != nil {
		return err
	}
	err = service.EachExported(ctx, func(user auth.ExportedUser) error {
		record, err := recordOf(user, withHashes)
		if err != nil {
			return err
		}
		return write(record)
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	return out.Flush()
}

// writer returns what writes a record, and what writes out the last ones.
func writer(w io.Writer, format Format) (write func(Record) error, flush func() error, err error) {
	if format == JSONLines {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return func(r Record) error { return encoder.Encode(r) }, func() error { return nil }, nil
	}
	table := csv.NewWriter(w)
	flush = func() error {
		table.Flush()
		return table.Error()
	}
	return func(r Record) error { return table.Write(r.cells()) }, flush, table.Write(columns)
}

// recordOf returns the UserRecord of a user.
func recordOf(u auth.ExportedUser, withHashes bool) (Record, error) {
	r := Record{
		ID: u.ID.String(), ExternalID: u.ExternalID, Email: u.Email, Username: u.Username,
		EmailVerified: u.EmailVerified, IsActive: u.IsActive, Roles: u.Roles,
		DisplayName: u.DisplayName, Locale: u.Locale,
		CreatedAt: &u.CreatedAt, UpdatedAt: &u.UpdatedAt, LastLoginAt: u.LastLoginAt,
	}
	if withHashes {
		r.PasswordHash, r.PasswordChangedAt = u.PasswordHash.Reveal(), u.PasswordChangedAt
	}
	var err error
	if r.UserMetadata, err = compact(u.Metadata); err != nil {
		return Record{}, err
	}
	r.AppMetadata, err = compact(u.AppMetadata)
	return r, err
}

// compact returns JSON without the blanks of PostgreSQL.
func compact(text []byte) (json.RawMessage, error) {
	var b bytes.Buffer
	err := json.Compact(&b, text)
	return b.Bytes(), err
}
