package transfer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// FirebaseHash are the parameters by which a Firebase project hashes passwords.
type FirebaseHash struct {
	signerKey, saltSeparator []byte
	rounds, memCost          int
}

var firebaseParameter = regexp.MustCompile(`(?m)^\s*(\w+):\s*(\S*?),?\s*$`)

// ReadFirebaseHash reads the parameters as the Firebase console shows them. No error has the key.
func ReadFirebaseHash(text string) (*FirebaseHash, error) {
	found := map[string]string{}
	for _, match := range firebaseParameter.FindAllStringSubmatch(text, -1) {
		found[match[1]] = match[2]
	}
	if found["algorithm"] != "SCRYPT" {
		return nil, errors.New("the hash parameters don't name the algorithm SCRYPT")
	}
	var (
		h    FirebaseHash
		errs [4]error
	)
	h.signerKey, errs[0] = base64.StdEncoding.DecodeString(found["base64_signer_key"])
	h.saltSeparator, errs[1] = base64.StdEncoding.DecodeString(found["base64_salt_separator"])
	h.rounds, errs[2] = strconv.Atoi(found["rounds"])
	h.memCost, errs[3] = strconv.Atoi(found["mem_cost"])
	if errors.Join(errs[:]...) != nil || len(h.signerKey) == 0 {
		return nil, errors.New(
			"the hash parameters need base64_signer_key, base64_salt_separator, rounds and mem_cost",
		)
	}
	return &h, nil
}

// stored returns a password of the project as Latchkey stores it.
func (h *FirebaseHash) stored(salt, hash string) string {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("$fbscrypt$v=1,n=%d,r=%d,p=1,ss=%s,sk=%s$%s$%s", h.memCost, h.rounds,
		encode(h.saltSeparator), encode(h.signerKey), salt, hash)
}

// fromFirebase reads a user of `firebase auth:export` in JSON.
func fromFirebase(in row, m mapping) (record, string) {
	r := record{}
	r.set("external_id", in.text("localId"))
	r.set("email", in.text("email"))
	r.set("email_verified", in.flag("emailVerified"))
	r.set("is_active", !in.isSet("disabled"))
	r.set("display_name", in.text("displayName"))
	r.set("app_metadata", in.value("customAttributes"))
	if hash := in.text("passwordHash"); hash != "" && m.firebase != nil {
		r.set("password_hash", m.firebase.stored(in.text("salt"), hash))
	}
	r.set("created_at", in.time("createdAt"))
	r.set("last_login_at", in.time("lastSignedInAt"))
	return r, ""
}
