-- The live table: what is true now. In memory (tmpfs); gone when the machine stops. Times are CLOCK_BOOTTIME seconds unless
-- a column says wall.
CREATE TABLE IF NOT EXISTS meta (
    key TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;

-- One row per reading. `value` keeps its own type: number or text.
CREATE TABLE IF NOT EXISTS reading (
    name TEXT PRIMARY KEY,
    value NOT NULL,
    at REAL NOT NULL,
    expires REAL NOT NULL,
    changed_at REAL NOT NULL,
    source TEXT NOT NULL,
    estimated INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Changes of discrete readings, in order, so that rules see also what came and went between two looks.
CREATE TABLE IF NOT EXISTS change (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    wall REAL NOT NULL,
    name TEXT NOT NULL,
    value NOT NULL
);

-- Alarms that are present. Written by the rules only.
CREATE TABLE IF NOT EXISTS alarm (
    key TEXT PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    severity TEXT NOT NULL,
    since_wall REAL NOT NULL,
    since_boot REAL NOT NULL,
    boot TEXT NOT NULL,
    args TEXT NOT NULL,
    acknowledged_by TEXT,
    acknowledged_wall REAL,
    note TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

-- Events that are not yet on flash. Emptied at once while flash can be written.
CREATE TABLE IF NOT EXISTS pending_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    at REAL NOT NULL,
    code TEXT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    args TEXT NOT NULL,
    alarm TEXT,
    duration_s REAL
);

CREATE TABLE IF NOT EXISTS command (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    address TEXT NOT NULL,
    asked_at REAL NOT NULL,
    deadline REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    result TEXT NOT NULL DEFAULT '',
    recorded INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS command_queue ON command (target, state, id);
CREATE INDEX IF NOT EXISTS command_untold ON command (recorded) WHERE recorded = 0;

CREATE TABLE IF NOT EXISTS heartbeat (
    worker TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    at REAL NOT NULL,
    version TEXT NOT NULL
) WITHOUT ROWID;

INSERT OR IGNORE INTO meta VALUES ('sequence', 0), ('instance', lower(hex(randomblob(8))));
