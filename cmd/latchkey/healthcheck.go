package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout bounds the whole question. It is shorter than the time limit that containers'
// health checks usually have, so that our message is shown. Tests shorten it.
var healthTimeout = 3 * time.Second

// maxHealthBody is the largest number of bytes that is read of an answer. Ours have some hundred.
const maxHealthBody = 16 << 10

func (r *root) healthcheckCommand() *cobra.Command {
	var live bool
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the server on this machine whether it is ready",
		Long: "Ask the server that listens on LATCHKEY_ADDR whether it is ready: GET /readyz. The command fails if it\n" +
			"isn't, or if it doesn't answer within 3 s. It is for the health check of a container, whose image needs no\n" +
			"other program. With --live it asks whether the server runs at all: GET /healthz.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := loadSettings(r.environ)
			if err != nil {
				return err
			}
			path := "/readyz"
			if live {
				path = "/healthz"
			}
			return askHealth(cmd.Context(), s.Addr, path)
		},
	}
	cmd.Flags().BoolVar(&live, "live", false, "ask whether the server runs, even if it can't serve yet")
	return cmd
}

// askHealth returns nil if the server at the address answers a GET of path with 200. An address
// without a host, or with an unspecified one, means this machine.
func askHealth(ctx context.Context, addr, path string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return usageError{fmt.Errorf("LATCHKEY_ADDR: %w", err)}
	}
	if port == "0" {
		return usageError{errors.New("LATCHKEY_ADDR has port 0, so the server's port isn't known")}
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case ip.Equal(net.IPv6unspecified):
		host = "::1"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	target := url.URL{Scheme: "http", Host: net.JoinHostPort(host, port), Path: path}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return err
	}
	// The default client would ask the proxy that HTTP_PROXY names, and follow redirects of a
	// stranger that has taken the port.
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return fmt.Errorf("%s: %w", target.String(), err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode == http.StatusOK {
		return nil
	}
	var problem struct{ Code, Detail string }
	err = json.NewDecoder(io.LimitReader(response.Body, maxHealthBody)).Decode(&problem)
	if err != nil || problem.Code == "" {
		return fmt.Errorf("%s: status %d", target.String(), response.StatusCode)
	}
	return fmt.Errorf("%s: status %d, %s: %s", target.String(), response.StatusCode, problem.Code, problem.Detail)
}
