-- +goose Up
-- Oldest binary beside it: schema 6
-- The address that an account got, for the mail to the address that it had before.
ALTER TABLE challenges ADD COLUMN new_email text;

-- An account that has left an address can get it back until the undo of the change expires. Until
-- then nobody else gets the address. An older release reports it as a taken address, because the
-- error is that of the unique constraint. The trigger runs after the row was written: a statement
-- that has waited for the address then sees the undo of the transaction that has left it.
-- updated_at is the time of the change, by the clock of the instance that makes it.
-- +goose StatementBegin
CREATE FUNCTION users_leave_held_emails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM challenges c
        WHERE c.email_key = NEW.email_key AND c.purpose = 'undo_email_change' AND c.user_id <> NEW.id
            AND c.used_at IS NULL AND c.expires_at > NEW.updated_at
    ) THEN
        RAISE unique_violation USING MESSAGE = 'the email is held for another user', CONSTRAINT = 'users_email_key';
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER users_leave_held_emails AFTER INSERT OR UPDATE OF email_key ON users
    FOR EACH ROW EXECUTE FUNCTION users_leave_held_emails();

-- +goose Down
DROP TRIGGER users_leave_held_emails ON users;
DROP FUNCTION users_leave_held_emails;
ALTER TABLE challenges DROP COLUMN new_email;
