-- The closer look at an incident: asked for by the response, written by the worker that made it.
CREATE TABLE insights (
    incident TEXT PRIMARY KEY,
    attempts INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    at INTEGER,
    insight_json TEXT NOT NULL DEFAULT ''
);
