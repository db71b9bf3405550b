BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'accounts','2026-11-22 20:35:17',1,X'5C47DE161F6C9399067E6FE8E9F8E2BD5B50BA182C5CC7D673DF6A36D79B8ACE4F4D8B6A892A1B41F27259FF38800013',3273225);
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
INSERT INTO "accounts" VALUES('alice',NULL,'Alice Liddell','$argon2id$v=19$m=19456,t=2,p=1$zBgxUhJh0vpZuHnM1uf/Ug$+5BgUdhYlw//ufvYYbm0efaDmPqbUNK2/ISW4Roh21c',1795379717,1795379717);
COMMIT;
