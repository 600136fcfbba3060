package transfer_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/impl/impltest"
	"github.com/latchkey-auth/latchkey/impl/transfer"
)

// A record has the members of the contract's UserRecord, and a CSV file a column for each.
func TestRecordIsTheContracts(t *testing.T) {
	t.Parallel()
	var want, got []string
	for name := range impltest.Contract().Components.Schemas["UserRecord"].Value.Properties {
		want = append(want, name)
	}
	for field := range reflect.TypeFor[transfer.Record]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		got = append(got, name)
	}
	h := impltest.New(t)
	head, _, _ := strings.Cut(export(t, h, transfer.CSV, true), "\n")
	if diff := cmp.Diff(got, strings.Split(head, ",")); diff != "" {
		t.Errorf("the columns (-record +CSV):\n%s", diff)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-contract +record:\n%s", diff)
	}
}

// The parameters of a Firebase project are read as its console shows them. No error has the key.
func TestReadFirebaseHash(t *testing.T) {
	t.Parallel()
	const good = `hash_config {
  algorithm: SCRYPT,
  base64_signer_key: c2VjcmV0c2VjcmV0c2VjcmV0,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}`
	if _, err := transfer.ReadFirebaseHash(good); err != nil {
		t.Error(err)
	}
	for _, change := range [][2]string{
		{"SCRYPT", "BCRYPT"}, {"rounds: 8", "rounds: x"}, {"mem_cost: 14,", ""}, {"c2VjcmV0c2VjcmV0c2VjcmV0", "c2VjcmV0!"},
		{"c2VjcmV0c2VjcmV0c2VjcmV0", ""}, {good, ""},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if _, err := transfer.ReadFirebaseHash(text); err == nil || strings.Contains(err.Error(), "c2Vj") {
			t.Errorf("%q: %v", change, err)
		}
	}
}

// A problem says whether its user was imported all the same.
func TestProblemAsJSON(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(transfer.Problem{Line: 3, Imported: true, Pointer: "/password_hash", Code: "unusable_hash", Detail: "x"})
	if want := `{"line":3,"imported":true,"pointer":"/password_hash","code":"unusable_hash","detail":"x"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}
