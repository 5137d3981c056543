-- What came of each plan that was carried out because of trouble; the record that choices and trust go by.
CREATE TABLE trials (
    attempt TEXT PRIMARY KEY,
    incident TEXT NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    runbook TEXT NOT NULL,
    -- Names of the actions of the plan's steps, with spaces between.
    actions TEXT NOT NULL,
    version TEXT NOT NULL,
    outcome TEXT NOT NULL,
    -- Whether the same trouble came back within the window in which an incident is opened again.
    relapsed INTEGER NOT NULL DEFAULT 0,
    -- A person's word on it: helped, useless, harmful; empty: none.
    word TEXT NOT NULL DEFAULT '',
    word_at INTEGER,
    at INTEGER NOT NULL
);

CREATE INDEX trials_by_kind ON trials (kind, at);

CREATE INDEX trials_by_incident ON trials (incident);

CREATE INDEX trials_by_target ON trials (target, kind, at);

-- What was carried out before this table counts for choices; which actions it was made of is not known here.
INSERT INTO trials (attempt, incident, target, kind, runbook, actions, version, outcome, at)
SELECT id, incident, target, kind, runbook, '', version, outcome, ended_at FROM attempts
WHERE started_at IS NOT NULL AND ended_at IS NOT NULL AND ordered = 0
AND outcome IN ('healed', 'failed', 'undone', 'unclear');

-- Trouble that was left alone for as long as a plan may take: whether it was over by then.
CREATE TABLE waits (
    incident TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    recovered INTEGER NOT NULL,
    at INTEGER NOT NULL
);

CREATE INDEX waits_by_kind ON waits (kind, at);

-- What was said to be wrong, how sure that was, and whether it was right.
CREATE TABLE predictions (
    incident TEXT NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    component TEXT NOT NULL,
    target TEXT NOT NULL,
    version TEXT NOT NULL,
    -- Whether something was seen to be wrong, not only said.
    seen INTEGER NOT NULL,
    raw DOUBLE PRECISION NOT NULL,
    published DOUBLE PRECISION NOT NULL,
    at INTEGER NOT NULL,
    verdict TEXT NOT NULL DEFAULT 'unknown',
    judged_by TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (incident, source, kind)
);

CREATE INDEX predictions_judged ON predictions (at) WHERE verdict <> 'unknown';
