package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/latchkey-auth/latchkey/impl/auth/keyring"
	"github.com/latchkey-auth/latchkey/impl/auth/store"
	"github.com/latchkey-auth/latchkey/impl/secret"
)

// explainKeys adds to an error what to do if the settings don't fit the keys.
func explainKeys(err error) error {
	if errors.Is(err, keyring.ErrOtherAlgorithm) {
		return usageError{fmt.Errorf("LATCHKEY_JWT_ALGORITHM: %w; set the servers' algorithm here. "+
			"To change it, restart the servers with the new one", err)}
	}
	if errors.Is(err, keyring.ErrUnreadable) {
		return usageError{fmt.Errorf("LATCHKEY_SECRET_KEY: %w; if no other server uses the signing key, "+
			"end it with: latchkey key retire ID", err)}
	}
	if errors.Is(err, keyring.ErrSealed) {
		return usageError{fmt.Errorf("LATCHKEY_SECRET_KEY: %w; set that one as LATCHKEY_SECRET_KEY_PREVIOUS. "+
			"If it is lost, log everybody out with: latchkey key retire --all", err)}
	}
	return err
}

func keyringOptions(s settings, db *database, key secret.Text) keyring.Options {
	return keyring.Options{
		Options:   store.Options{DB: db.pool, Secret: key, Previous: s.SecretKeyPrevious, Now: time.Now},
		Algorithm: s.JWTAlgorithm,
		TokenTTL:  s.AccessTokenTTL,
		Lead:      s.KeyLead,
	}
}

func (r *root) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Administer the keys that sign access tokens",
		Long: "Administer the keys that sign access tokens. The commands work with or without a running server.\n" +
			"Every instance loads a change within " + keyring.FollowInterval.String() + ", without a restart.",
	}
	cmd.AddCommand(r.keyListCommand(), r.keyRotateCommand(), r.keyRetireCommand())
	return cmd
}

// withKeys runs f on the signing keys.
func (r *root) withKeys(ctx context.Context, f func(*keyring.Ring) error) error {
	return r.withDatabase(ctx, false, func(s settings, db *database) error {
		key, err := secretKey(s)
		if err != nil {
			return err
		}
		// A command must not change the algorithm because it was started without the server's
		// settings.
		keys, err := keyring.OpenAsIs(ctx, keyringOptions(s, db, key))
		if err != nil {
			return explainKeys(err)
		}
		return f(keys)
	})
}

func (r *root) keyListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the keys, in the order in which they sign",
		Long: "List the keys, in the order in which they sign. A key has these states:\n" +
			"  waits     it is published, but doesn't sign yet\n" +
			"  signs     it signs the new tokens\n" +
			"  verifies  it only verifies, until the last token that it signed has expired\n" +
			"  ended     its tokens are refused\n" +
			"This command doesn't need the secret key.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.withDatabase(cmd.Context(), false, func(_ settings, db *database) error {
				keys, err := keyring.List(cmd.Context(), db.pool, time.Now())
				if err != nil {
					return err
				}
				return r.printKeys(keys)
			})
		},
	}
}

func (r *root) printKeys(keys []keyring.Key) error {
	l := newList(r.out, false, "ID", "ALGORITHM", "STATE", "SIGNS FROM", "VERIFIES UNTIL")
	for _, key := range keys {
		until := "-"
		if !key.VerifiesUntil.IsZero() {
			until = key.VerifiesUntil.Format(time.RFC3339)
		}
		from := key.SignsFrom.Format(time.RFC3339)
		if err := l.add(nil, key.ID, key.Algorithm, string(key.State), from, until); err != nil {
			return err
		}
	}
	return l.end()
}

func (r *root) keyRotateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key",
		Long: "Make a new key. It is published at once and signs after LATCHKEY_KEY_LEAD. By then no client still uses\n" +
			"the old set of keys. Until then the present key signs. After that it verifies until its last token has expired.\n" +
			"Nobody is logged out.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.withKeys(cmd.Context(), func(keys *keyring.Ring) error {
				_, err := keys.Rotate(cmd.Context(), 0)
				if err == nil {
					_, err = fmt.Fprintf(r.out, "A new key is published. It signs in %s.\n", keys.Lead())
				}
				return err
			})
		},
	}
}

func (r *root) keyRetireCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "retire ID | --all",
		Short: "End a key at once, if somebody else may have it",
		Long: "End a key at once, if somebody else may have it. Its access tokens are refused from then on. A client gets\n" +
			"a new one with its refresh token. If the ended key was the one that signs, another key signs at once: the one\n" +
			"that waits, or a new one. If it was the one that waits, the present key continues to sign.\n" +
			"--all ends every key, also keys that were sealed under another secret key. Another secret key also makes all\n" +
			"refresh tokens invalid, so that everybody has to log in again.",
		Args: func(_ *cobra.Command, args []string) error {
			if all == (len(args) == 1) || len(args) > 1 {
				return errors.New("key retire needs a key's id, or --all")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if all {
				return r.retireAllKeys(cmd.Context())
			}
			return r.withKeys(cmd.Context(), func(keys *keyring.Ring) error {
				err := keys.Retire(cmd.Context(), args[0])
				if errors.Is(err, keyring.ErrNoKey) {
					return fmt.Errorf("there is no key %q", args[0])
				}
				if err == nil {
					_, err = fmt.Fprintln(r.out, "The key has ended.")
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "end every key")
	return cmd
}

func (r *root) retireAllKeys(ctx context.Context) error {
	return r.withDatabase(ctx, false, func(s settings, db *database) error {
		key, err := secretKey(s)
		if err != nil {
			return err
		}
		if err := keyring.RetireAll(ctx, keyringOptions(s, db, key)); err != nil {
			return explainKeys(err)
		}
		_, err = fmt.Fprintln(r.out, "All keys have ended; a new one signs.")
		return err
	})
}
