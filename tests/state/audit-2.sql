BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'audit','2026-01-01 00:00:00',1,X'E24A704CA07B4E01B5EAB69415FDA06FACBBFA33A1ABB4398C90022806EE94897BFC5170C8941B2C92151A7863423083',1000);
INSERT INTO "_sqlx_migrations" VALUES(2,'refused','2026-01-01 00:00:00',1,X'42BF6C91D2EB98B5BCC10292D9ADF628282CFD03F792119594BE515C8B38FF464E17B70FB12777E1D45BE6523E28FAD2',1000);
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
INSERT INTO "entry" VALUES(1,1800000000123,'alice',NULL,'2001:db8::1','start','alice/work','refused','no more than 3 desktops at once','');
CREATE TABLE source (
    id   BLOB    NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "source" VALUES(X'0101010101010101',1,1800000000123);
CREATE INDEX entry_at ON entry (at);
CREATE INDEX entry_refused ON entry (number) WHERE outcome = 'refused';
COMMIT;
