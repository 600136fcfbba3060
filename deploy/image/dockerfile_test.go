package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Dockerfile whose image make image can't make is refused: the two would differ.
func TestDockerfileRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"FROM debian", "must begin with FROM scratch"},
		{"FROM scratch\nRUN true", "line 2: RUN can't be done"},
		{"FROM scratch\nADD x /", "ADD can't be done"},
		{"FROM scratch\nCMD latchkey serve", "there is no shell"},
		{"FROM scratch\nENTRYPOINT latchkey", "there is no shell"},
		{"FROM scratch\nCOPY bin/latchkey /", "only COPY --from=build"},
		{"FROM scratch\nCOPY --from=other /image/root/ /", "only COPY --from=build"},
		{"FROM scratch\nCOPY --from=build /src/ /", "only COPY --from=build"},
		{"FROM scratch\nCOPY --from=build /image/root/ /image/data/ /", "only COPY --from=build"},
		{"FROM scratch\nCOPY --from=build --chmod=0700 /image/root/ /", "only COPY --from=build"},
		{"FROM scratch\nCOPY --from=build --chown=latchkey:latchkey /image/root/ /", "must be N:N"},
		{"FROM scratch\nCOPY --from=build --chown=1:2 /image/root/ /", "must be N:N"},
		{"FROM scratch\nNONSENSE", "unknown instruction"},
	} {
		path := filepath.Join(t.TempDir(), "Dockerfile")
		if err := os.WriteFile(path, []byte(test.text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readDockerfile(path); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
}
