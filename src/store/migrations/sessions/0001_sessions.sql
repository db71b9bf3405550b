-- One row for each browser that is signed in. Times are seconds since 1970.
CREATE TABLE session (
    hash      BLOB    NOT NULL PRIMARY KEY, -- SHA-256 of the handle in the cookie
    account   TEXT    NOT NULL,
    full_name TEXT    NOT NULL,
    since     INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    peer      TEXT    NOT NULL              -- address from which the person signed in
) STRICT, WITHOUT ROWID;
CREATE INDEX session_until ON session (until);
