-- Local accounts: people who sign in with a password that Deskway keeps.
CREATE TABLE accounts (
    name      TEXT NOT NULL PRIMARY KEY,
    -- The OS account that the desktops run as; NULL: the one called `name`.
    os_user   TEXT,
    full_name TEXT NOT NULL,
    -- Argon2id in PHC string format, salt and parameters included.
    password  TEXT NOT NULL,
    -- Seconds since 1970.
    created   INTEGER NOT NULL,
    changed   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
