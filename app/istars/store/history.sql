-- The data record, on flash. One segment: records of one hour of the wall clock, less where the clock was set. Times are epoch
-- seconds. `summary` and `data`: history_codec.py. What stands in `detail` is thinned, and in the end goes, when room is short.
CREATE TABLE IF NOT EXISTS meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS layout (
    id INTEGER PRIMARY KEY,
    names TEXT NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS segment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    interval INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    summary BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS segment_first ON segment (first);

CREATE TABLE IF NOT EXISTS detail (
    id INTEGER PRIMARY KEY,
    interval INTEGER NOT NULL,
    count INTEGER NOT NULL,
    data BLOB NOT NULL
);
