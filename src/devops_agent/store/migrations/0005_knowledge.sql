-- Decisions with everything that they were made from. Fields that are long are kept once, in judgement_parts.
CREATE TABLE judgements (
    id INTEGER PRIMARY KEY,
    incident TEXT NOT NULL,
    at INTEGER NOT NULL,
    step TEXT NOT NULL,
    inputs_json TEXT NOT NULL,
    parts_json TEXT NOT NULL,
    result_json TEXT NOT NULL,
    version TEXT NOT NULL
);

CREATE INDEX judgements_by_incident ON judgements (incident, step, id);

CREATE INDEX judgements_by_time ON judgements (at);

-- Long fields of inputs by the digest of their text; packed is its zlib stream in base64.
CREATE TABLE judgement_parts (
    digest TEXT PRIMARY KEY,
    packed TEXT NOT NULL,
    used_at INTEGER NOT NULL
);

-- What is searched by meaning: closed incidents, runbooks, drafts. A vector is a JSON array of numbers.
CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    vector TEXT NOT NULL,
    says TEXT NOT NULL,
    meta_json TEXT NOT NULL,
    at INTEGER NOT NULL
);

CREATE INDEX documents_by_kind ON documents (kind, model);

-- Runbooks that were made from what has worked repeatedly. None is used before a person has accepted it.
CREATE TABLE drafts (
    name TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    runbook_json TEXT NOT NULL,
    reasons_json TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    answered_at INTEGER,
    answered_by TEXT NOT NULL DEFAULT '',
    comment TEXT NOT NULL DEFAULT ''
);

-- What recurs, and what would end it.
CREATE TABLE proposals (
    id TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    proposal_json TEXT NOT NULL,
    made_at INTEGER NOT NULL
);
