package mail

import (
	"errors"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Written is a mail as a [Folder] has written it.
type Written struct {
	// Name is the name of its file, without the ending.
	Name string    `json:"name"`
	Kind Kind      `json:"kind"`
	At   time.Time `json:"at"`
	// The others are empty if the file can't be read as a mail.
	To       string `json:"to"`
	Subject  string `json:"subject"`
	Language string `json:"language"`
	// Code and Link are those of the text; empty if it has none.
	Code string `json:"code,omitempty"`
	Link string `json:"link,omitempty"`
	Text string `json:"text"`
	HTML string `json:"-"`
	// Source is the whole file.
	Source []byte `json:"-"`
}

// maxWritten bounds how much of a file is read, in bytes.
const maxWritten = 1 << 20

var (
	// writtenName has no separator, no dot at its beginning and no ending: it can't lead out of the
	// folder.
	writtenName = regexp.MustCompile(`^([0-9]{8}T[0-9]{6}\.[0-9]{6}Z)-([a-z_]{1,40})-[0-9a-f-]{36}$`)
	codeForm    = regexp.MustCompile(`\b[0-9]{8}\b`)
	codeLine    = regexp.MustCompile(`(?m)^[ \t]*([0-9]{8})[ \t]*$`)
	linkForm    = regexp.MustCompile(`https?://\S+#[a-z_]+=\S+`)
)

// Newest returns the newest mails, the newest first. A folder that doesn't exist yet has none.
func (f *Folder) Newest(limit int) ([]Written, error) {
	entries, err := os.ReadDir(f.dir) // in the order of their names, and so of their times
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	all := []Written{}
	for _, entry := range slices.Backward(entries) {
		name, isMail := strings.CutSuffix(entry.Name(), ending)
		if !isMail || len(all) == limit {
			continue
		}
		w, err := f.Read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // not one of ours, or deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// Read returns one mail. It fails with [fs.ErrNotExist] if the name is not that of a mail in the
// folder.
func (f *Folder) Read(name string) (Written, error) {
	parts := writtenName.FindStringSubmatch(name)
	if parts == nil {
		return Written{}, fs.ErrNotExist
	}
	at, err := time.Parse(fileTime, parts[1])
	if err != nil {
		return Written{}, fs.ErrNotExist
	}
	info, err := os.Lstat(filepath.Join(f.dir, name+ending))
	if err != nil {
		return Written{}, err
	}
	if !info.Mode().IsRegular() {
		return Written{}, fs.ErrNotExist
	}
	file, err := os.OpenInRoot(f.dir, name+ending) // follows no link out of the folder
	if err != nil {
		return Written{}, err
	}
	source, err := io.ReadAll(io.LimitReader(file, maxWritten))
	if err := errors.Join(err, file.Close()); err != nil {
		return Written{}, err
	}
	w := Written{Name: name, Kind: Kind(parts[2]), At: at, Source: source}
	w.parse()
	return w, nil
}

// parse fills in what the source says. It leaves empty what can't be read.
func (w *Written) parse() {
	message, err := netmail.ReadMessage(strings.NewReader(string(w.Source)))
	if err != nil {
		return
	}
	w.Subject, w.Language = message.Header.Get("Subject"), message.Header.Get("Content-Language")
	if subject, err := new(mime.WordDecoder).DecodeHeader(w.Subject); err == nil {
		w.Subject = subject
	}
	if to, err := message.Header.AddressList("To"); err == nil && len(to) > 0 { // a group may be empty
		w.To = to[0].Address
	}
	_, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		return
	}
	for reader := multipart.NewReader(message.Body, params["boundary"]); ; {
		part, err := reader.NextPart() // it decodes quoted-printable
		if err != nil {
			break
		}
		body, err := io.ReadAll(part)
		if err != nil {
			break
		}
		text := strings.ReplaceAll(string(body), "\r\n", "\n")
		switch kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); kind {
		case "text/plain":
			w.Text = text
		case "text/html":
			w.HTML = text
		}
	}
	w.Code, w.Link = codeOf(w.Kind, w.Text), linkForm.FindString(w.Text)
}

// codeOf returns the code in the text of a mail. A name or an address may look like a code, so the
// one on a line of its own counts first.
func codeOf(kind Kind, text string) string {
	if data := dataOf[kind]; data == nil {
		return ""
	} else if _, hasCode := data.FieldByName("Code"); !hasCode {
		return ""
	}
	if line := codeLine.FindStringSubmatch(text); line != nil {
		return line[1]
	}
	return codeForm.FindString(text)
}
