-- What models took, by day (UTC). Money is whole millionths of a dollar. What is under way counts as spent in full.
CREATE TABLE spending (
    day TEXT PRIMARY KEY,
    asked INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    microdollars INTEGER NOT NULL
);

-- Answers of models, for the very same question asked again soon.
CREATE TABLE completions (
    digest TEXT PRIMARY KEY,
    completion_json TEXT NOT NULL,
    expires_at INTEGER NOT NULL
);
