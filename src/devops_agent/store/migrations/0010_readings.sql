-- What was seen of targets over time: one row for each target and bucket of 5 minutes, an hour or a day.
CREATE TABLE readings (
    -- Seconds that the bucket lasts: 300, 3600 or 86400.
    step INTEGER NOT NULL,
    at INTEGER NOT NULL,
    target TEXT NOT NULL,
    well_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    excluded_ms INTEGER NOT NULL,
    -- Name -> lowest, mean, highest, number of looks.
    readings_json TEXT NOT NULL,
    PRIMARY KEY (step, at, target)
);

CREATE INDEX readings_by_target ON readings (target, step, at);

-- Until when all buckets of a length are made.
CREATE TABLE readings_made (
    step INTEGER PRIMARY KEY,
    until INTEGER NOT NULL
);
