-- Reports that were made, each once for its period.
CREATE TABLE reports (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    begins_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    report_json TEXT NOT NULL,
    PRIMARY KEY (kind, name)
);

CREATE INDEX reports_by_time ON reports (made_at);

-- What happened within a period is read by time.
CREATE INDEX events_by_time ON events (at);

CREATE INDEX incidents_by_time ON incidents (opened_at);
