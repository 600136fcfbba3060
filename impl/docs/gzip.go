package docs

import (
	"bytes"
	"compress/gzip"
	"strconv"
	"strings"
)

func compress(plain variant) variant {
	var b bytes.Buffer
	// The level is valid and a buffer can't fail, so there is no error to handle.
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = w.Write(plain.body)
	_ = w.Close()
	return variant{body: b.Bytes(), etag: strings.TrimSuffix(plain.etag, `"`) + `-gzip"`}
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3). What it says of gzip counts more
// than what it says of `*`.
func acceptsGzip(acceptEncoding []string) bool {
	anyCoding := false
	for item := range strings.SplitSeq(strings.Join(acceptEncoding, ","), ",") {
		coding, parameter, _ := strings.Cut(item, ";")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return weight(parameter) > 0
		case "*":
			anyCoding = weight(parameter) > 0
		}
	}
	return anyCoding
}

// weight returns the weight of a coding: 1 by default, and 0 if it can't be read, because the plain
// form is the safe one.
func weight(parameter string) float64 {
	name, value, found := strings.Cut(strings.TrimSpace(parameter), "=")
	if !found {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 0
	}
	return q
}
