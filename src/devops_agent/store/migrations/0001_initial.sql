-- Times are microseconds since 1970, UTC. Columns named *_json hold JSON text. One dialect for SQLite and PostgreSQL.

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
);

-- One firing of one alert, and its resolution.
CREATE TABLE alerts (
    fingerprint TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    name TEXT NOT NULL,
    alert_json TEXT NOT NULL,
    target TEXT NOT NULL,
    incident TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (fingerprint, starts_at)
);

CREATE INDEX alerts_by_incident ON alerts (incident);

CREATE TABLE incidents (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    status TEXT NOT NULL,
    severity TEXT NOT NULL,
    target TEXT NOT NULL,
    cause_group TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    resolved_at INTEGER,
    parent TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    next_steps_json TEXT NOT NULL DEFAULT '[]',
    guided TEXT NOT NULL DEFAULT '',
    ordered_json TEXT NOT NULL DEFAULT ''
);

CREATE UNIQUE INDEX incidents_by_number ON incidents (number);

CREATE INDEX incidents_by_cause ON incidents (target, cause_group, changed_at);

CREATE INDEX incidents_open ON incidents (status, number) WHERE status <> 'resolved';

-- The timeline of everything, hash-chained: incident histories and the audit log are views of it.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    incident TEXT NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    says TEXT NOT NULL,
    data_json TEXT NOT NULL,
    hash TEXT NOT NULL
);

CREATE INDEX events_by_incident ON events (incident, seq);

CREATE TABLE evidence (
    id TEXT PRIMARY KEY,
    incident TEXT NOT NULL,
    at INTEGER NOT NULL,
    evidence_json TEXT NOT NULL
);

CREATE INDEX evidence_by_incident ON evidence (incident);

-- Durable runs and their steps: the journal.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    job TEXT NOT NULL,
    key TEXT NOT NULL,
    lock_name TEXT NOT NULL,
    args_json TEXT NOT NULL,
    status TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    owner TEXT NOT NULL DEFAULT '',
    lease_until INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    woken INTEGER NOT NULL DEFAULT 0,
    version TEXT NOT NULL,
    waits_on TEXT NOT NULL DEFAULT '',
    says TEXT NOT NULL DEFAULT ''
);

CREATE UNIQUE INDEX runs_live_key ON runs (queue, key) WHERE status IN ('ready', 'running', 'parked');

CREATE INDEX runs_due ON runs (queue, not_before) WHERE status IN ('ready', 'running', 'parked');

CREATE TABLE steps (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    status TEXT NOT NULL,
    before_json TEXT NOT NULL DEFAULT '',
    result_json TEXT NOT NULL DEFAULT '',
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (run, name)
);

-- A plan that was decided on, and what came of it.
CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    incident TEXT NOT NULL,
    target TEXT NOT NULL,
    target_group TEXT NOT NULL,
    kind TEXT NOT NULL,
    runbook TEXT NOT NULL,
    risk TEXT NOT NULL,
    digest TEXT NOT NULL,
    plan_json TEXT NOT NULL,
    decision_json TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    outcome TEXT NOT NULL,
    ordered INTEGER NOT NULL DEFAULT 0,
    says TEXT NOT NULL DEFAULT '',
    version TEXT NOT NULL
);

CREATE INDEX attempts_by_incident ON attempts (incident);

CREATE INDEX attempts_by_target ON attempts (target, decided_at);

CREATE INDEX attempts_started ON attempts (started_at);

-- Every action that was executed.
CREATE TABLE actions (
    key TEXT PRIMARY KEY,
    attempt TEXT NOT NULL,
    incident TEXT NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    action TEXT NOT NULL,
    step TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    ok INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    undone INTEGER NOT NULL,
    says TEXT NOT NULL
);

CREATE INDEX actions_by_name ON actions (action, target);

CREATE TABLE approvals (
    id TEXT PRIMARY KEY,
    incident TEXT NOT NULL,
    digest TEXT NOT NULL,
    summary TEXT NOT NULL,
    answer TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    answered_at INTEGER,
    answered_by TEXT NOT NULL DEFAULT '',
    comment TEXT NOT NULL DEFAULT ''
);

CREATE INDEX approvals_pending ON approvals (answer, expires_at);

CREATE INDEX approvals_by_incident ON approvals (incident);

-- Pauses: target '' means all.
CREATE TABLE pauses (
    id TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    reason TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    begins_at INTEGER NOT NULL,
    ends_at INTEGER,
    ended_at INTEGER
);

CREATE TABLE silences (
    id TEXT PRIMARY KEY,
    matchers_json TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    comment TEXT NOT NULL,
    begins_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    ended_at INTEGER
);

-- Switches changed while running; what is here goes before file and environment.
CREATE TABLE flags (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL,
    by_whom TEXT NOT NULL,
    at INTEGER NOT NULL
);

-- How each target is, as last seen.
CREATE TABLE targets (
    name TEXT PRIMARY KEY,
    target_json TEXT NOT NULL,
    health TEXT NOT NULL,
    since INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    says TEXT NOT NULL,
    readings_json TEXT NOT NULL
);

CREATE TABLE heartbeats (
    role TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    at INTEGER NOT NULL,
    data_json TEXT NOT NULL
);

-- Notices for people; channels take them from here.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    incident TEXT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    message_json TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    sent_at INTEGER
);

CREATE INDEX outbox_pending ON outbox (not_before) WHERE sent_at IS NULL;

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL UNIQUE,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
);

-- What the agent offers, for those who only show it.
CREATE TABLE catalogue (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    entry_json TEXT NOT NULL,
    PRIMARY KEY (kind, name)
);
