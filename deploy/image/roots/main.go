// Command roots prints the certificates of the authorities that Mozilla trusts, as PEM. They are
// those of a pinned module, so that an image doesn't depend on the machine that makes it.
package main

import (
	"encoding/pem"
	"log"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	for root := range bundle.Roots() {
		// Mozilla trusts some authorities only for certificates that are older than a date. PEM
		// can't express that, so these are left out.
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			log.Fatal(err)
		}
	}
}
