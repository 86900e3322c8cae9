-- What happened, on flash. `at` is wall time (epoch seconds); the order is that of `id`, which no clock step disturbs.
CREATE TABLE IF NOT EXISTS event (
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
CREATE INDEX IF NOT EXISTS event_at ON event (at);

-- Alarms that were present at the last write: what is known when the card starts after a power cut.
CREATE TABLE IF NOT EXISTS active_alarm (
    key TEXT PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID;
