-- Messages on their way to people, on flash. `due` is boottime of the boot `boot`; in every later boot a message is due at once.
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint TEXT NOT NULL,
    recipient TEXT NOT NULL,
    event_key TEXT NOT NULL,
    repeat INTEGER NOT NULL DEFAULT 0,
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    alarm TEXT,
    at REAL NOT NULL,
    body TEXT NOT NULL,
    message_id TEXT NOT NULL,
    boot TEXT NOT NULL,
    due REAL NOT NULL,
    hold TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0,
    result TEXT NOT NULL DEFAULT '',
    ended REAL,
    UNIQUE (endpoint, recipient, event_key, repeat)
);
CREATE INDEX IF NOT EXISTS message_open ON message (endpoint, id) WHERE state IN ('waiting', 'sending');
CREATE INDEX IF NOT EXISTS message_recent ON message (endpoint, recipient, code, at);
CREATE INDEX IF NOT EXISTS message_at ON message (at);

CREATE TABLE IF NOT EXISTS meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
