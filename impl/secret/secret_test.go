package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretIsNeverShown(t *testing.T) {
	t.Parallel()
	const canary = "CANARY-pw-31c7"
	secret := New(canary)
	holder := struct{ Password Text }{secret}
	hidden := struct{ password Text }{secret}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v"} {
		shown = append(
			shown,
			fmt.Sprintf(verb, secret),
			fmt.Sprintf(verb, holder),
			fmt.Sprintf(verb, &holder),
			fmt.Sprintf(verb, hidden),
			fmt.Sprintf(verb, &hidden),
		)
	}
	shown = append(shown, fmt.Sprint(secret), secret.String(), fmt.Errorf("x: %v", secret).Error())
	data, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, string(data))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "holder", holder)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret, "holder", holder)
	shown = append(shown, log.String())
	for _, s := range shown {
		if strings.Contains(s, canary) || strings.Contains(strings.ToLower(s), fmt.Sprintf("%x", canary)) {
			t.Errorf("shown: %s", s)
		}
	}
	if !strings.Contains(log.String(), redacted) || !strings.Contains(string(data), redacted) {
		t.Errorf("not told to be redacted: %s %s", data, log.String())
	}
	if secret.Reveal() != canary || secret.IsZero() || !New("").IsZero() {
		t.Error("the secret is not kept")
	}
}
