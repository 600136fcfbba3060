package authn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// maxBodyBytes bounds each of the server's documents.
const maxBodyBytes = 64 << 10

// fetcher asks the server for its keys.
type fetcher struct {
	client     *http.Client
	base       *url.URL
	issuer     string // empty where the metadata says it
	algorithms []string
}

// fetch returns the keys and for how long they are fresh. It requests the metadata (RFC 8414), and
// then the keys at the address in the metadata.
func (f *fetcher) fetch(ctx context.Context) (*keySet, time.Duration, error) {
	var metadata struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	address := f.base.JoinPath(".well-known", "oauth-authorization-server")
	if _, err := f.get(ctx, address, &metadata); err != nil {
		return nil, 0, err
	}
	if metadata.Issuer == "" {
		return nil, 0, errors.New("the server's metadata name no issuer")
	}
	if metadata.Keys == "" {
		return nil, 0, fmt.Errorf("%w: its metadata have no jwks_uri, as when it signs with HS256", errNoKeys)
	}
	// An attacker that can change the metadata must not be able to send us to another host, or into
	// our own network.
	address, err := url.Parse(metadata.Keys)
	if err != nil || address.User != nil || !sameOrigin(address, f.base) {
		return nil, 0, errors.New("the server's metadata have a jwks_uri of another origin")
	}
	var document jwkSet
	header, err := f.get(ctx, address, &document)
	if err != nil {
		return nil, 0, err
	}
	keys, err := parseKeys(document, f.algorithms)
	if err != nil {
		return nil, 0, err
	}
	issuer := f.issuer
	if issuer == "" {
		issuer = metadata.Issuer
	}
	return &keySet{issuer: issuer, keys: keys}, maxAge(header), nil
}

// get reads one of the server's documents.
func (f *fetcher) get(ctx context.Context, address *url.URL, document any) (http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: status %d", address, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBodyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", address, err)
	}
	if len(body) > maxBodyBytes {
		return nil, fmt.Errorf("GET %s: more than %d bytes", address, maxBodyBytes)
	}
	if err := json.Unmarshal(body, document); err != nil {
		return nil, fmt.Errorf("GET %s: %w", address, err)
	}
	return response.Header, nil
}

// sameOrigin compares scheme, host and port (RFC 6454 section 5).
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// maxAge returns for how long a response may still be kept: the max-age of Cache-Control (RFC 9111
// section 5.2.2.1) minus its age in a shared cache (section 5.1). Without a max-age it returns 0.
func maxAge(header http.Header) time.Duration {
	age, err := strconv.ParseUint(strings.TrimSpace(header.Get("Age")), 10, 31)
	if err != nil {
		age = 0
	}
	return max(0, maxAgeOfDirective(header)-time.Duration(age)*time.Second)
}

func maxAgeOfDirective(header http.Header) time.Duration {
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
		if err != nil && !errors.Is(err, strconv.ErrRange) { // out of range is as long as can be: section 1.2.2
			return 0
		}
		return time.Duration(seconds) * time.Second
	}
	return 0
}
