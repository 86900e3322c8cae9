-- Who is signed in, in memory (tmpfs). `id` is the SHA-256 of what the cookie holds. Times are boottime seconds within `boot`.
CREATE TABLE IF NOT EXISTS session (
    id BLOB PRIMARY KEY,
    user TEXT NOT NULL,
    generation INTEGER NOT NULL,
    address TEXT NOT NULL,
    boot TEXT NOT NULL,
    began REAL NOT NULL,
    used REAL NOT NULL,
    ended TEXT NOT NULL DEFAULT '',
    -- 1: the password was right, the code of the second factor is still missing
    half INTEGER NOT NULL DEFAULT 0,
    -- the secret of a second factor that is being set up
    pending TEXT NOT NULL DEFAULT '',
    -- the permission that a RADIUS server has given; empty for a user of this card
    remote TEXT NOT NULL DEFAULT '',
    -- so many seconds at most, however busy
    lasts REAL NOT NULL
) WITHOUT ROWID;
