-- What was done, by whom, and how it went. `number` counts up and is never used again.
CREATE TABLE entry (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL, -- milliseconds since 1970
    who     TEXT    NOT NULL,
    uid     INTEGER,          -- where somebody of this machine did it
    origin  TEXT    NOT NULL, -- an address, or "this machine"
    what    TEXT    NOT NULL,
    desktop TEXT,
    outcome TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    details TEXT    NOT NULL
) STRICT;
CREATE INDEX entry_at ON entry (at);
-- Up to which of its entries a launcher's are here, so that none is written twice.
CREATE TABLE source (
    id   BLOB    NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
