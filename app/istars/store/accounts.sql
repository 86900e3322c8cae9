-- Who may use the card: on flash, closed to everybody but the web worker. Times are wall time (epoch seconds) unless a column
-- says otherwise. `PRAGMA user_version` counts the changes of users and tokens, so that a copy can be told from its original.
CREATE TABLE IF NOT EXISTS user (
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    permission TEXT NOT NULL,
    -- 1: has the password the card came with; 2: has one that an administrator has chosen
    must_change INTEGER NOT NULL DEFAULT 0,
    -- a random number; a session that was begun under another one is over
    generation INTEGER NOT NULL,
    created REAL NOT NULL,
    -- where the user may come from (`store/addresses.py`), with spaces between; empty is everywhere
    patterns TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

-- `digest` is the SHA-256 of the token; the token itself is shown once and kept nowhere.
CREATE TABLE IF NOT EXISTS token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    permission TEXT NOT NULL,
    created REAL NOT NULL,
    expires REAL,
    revoked REAL,
    patterns TEXT NOT NULL DEFAULT '',
    -- who made it; empty is somebody at the console
    owner TEXT NOT NULL DEFAULT ''
);

-- Failed sign-ins. `at` is boottime within the boot `boot`, so that no clock step opens or lengthens a wait.
CREATE TABLE IF NOT EXISTS throttle (
    key TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    boot TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;

-- Addresses from which a user has signed in: a stranger's failures do not lock these out.
CREATE TABLE IF NOT EXISTS known_address (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL,
    address TEXT NOT NULL,
    UNIQUE (user, address)
);

-- The second factor of a user: the secret of RFC 6238 in base 32. It has to be known in full to check a code.
CREATE TABLE IF NOT EXISTS factor (
    user TEXT PRIMARY KEY,
    secret TEXT NOT NULL,
    since REAL NOT NULL
) WITHOUT ROWID;

-- Steps of time (of 30 s, by the wall clock) whose code was used: a code opens once.
CREATE TABLE IF NOT EXISTS used_code (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL,
    step INTEGER NOT NULL,
    UNIQUE (user, step)
);

-- Recovery codes that have not been used, as SHA-256: each has 79 random bits.
CREATE TABLE IF NOT EXISTS recovery (
    user TEXT NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (user, digest)
) WITHOUT ROWID;
