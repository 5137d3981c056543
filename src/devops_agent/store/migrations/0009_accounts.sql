-- Who may sign in. The password is an argon2id hash in PHC form, empty when there is none; subject is the issuer and
-- the subject at an identity provider.
CREATE TABLE accounts (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password TEXT NOT NULL,
    subject TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER
);

-- Ada and ada are one person.
CREATE UNIQUE INDEX accounts_name ON accounts (lower(name));

CREATE UNIQUE INDEX accounts_subject ON accounts (subject) WHERE subject <> '';

-- Whose token or session it is (empty: nobody's), and from where a session was begun.
ALTER TABLE tokens ADD COLUMN account TEXT NOT NULL DEFAULT '';

ALTER TABLE tokens ADD COLUMN address TEXT NOT NULL DEFAULT '';

CREATE INDEX tokens_account ON tokens (account);
