-- What needs a person, until one takes it; one living escalation for an incident.
CREATE TABLE escalations (
    id INTEGER PRIMARY KEY,
    incident TEXT NOT NULL,
    notice INTEGER NOT NULL,
    severity TEXT NOT NULL,
    policy TEXT NOT NULL,
    tell_json TEXT NOT NULL,
    state TEXT NOT NULL,
    rung INTEGER NOT NULL,
    round INTEGER NOT NULL,
    reminders INTEGER NOT NULL,
    climb_at INTEGER,
    remind_at INTEGER NOT NULL,
    handed_to TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    says TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    ended_at INTEGER
);

CREATE UNIQUE INDEX escalations_living ON escalations (incident) WHERE ended_at IS NULL;

CREATE INDEX escalations_by_incident ON escalations (incident, id);

-- Of what somebody is not to be told for a while: of an incident, or of a kind of trouble on a target.
CREATE TABLE mutes (
    id TEXT PRIMARY KEY,
    incident TEXT NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    person TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    comment TEXT NOT NULL,
    begins_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    settled_at INTEGER
);

CREATE INDEX mutes_living ON mutes (ends_at) WHERE settled_at IS NULL;

-- Who knows of which incident, and in which message: the incident's own, or one of several (gatherings).
CREATE TABLE told (
    incident TEXT NOT NULL,
    channel TEXT NOT NULL,
    person TEXT NOT NULL,
    thread TEXT NOT NULL,
    troubled INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    rung_at INTEGER,
    PRIMARY KEY (incident, channel, person)
);

CREATE INDEX told_troubled ON told (incident) WHERE troubled = 1;

CREATE INDEX told_lately ON told (channel, person, first_at);

CREATE INDEX told_by_thread ON told (thread);

-- Messages that put several notices together; their lines are the deliveries gathered under their id.
CREATE TABLE gatherings (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    person TEXT NOT NULL,
    cause TEXT NOT NULL,
    severity TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    due_at INTEGER,
    told_at INTEGER,
    needs_told INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    closed_at INTEGER
);

CREATE INDEX gatherings_open ON gatherings (channel, person, kind) WHERE closed_at IS NULL;

CREATE INDEX gatherings_due ON gatherings (due_at) WHERE closed_at IS NULL;

-- Messages of the last hour that were no mere changes of earlier ones, for the limit of an hour.
CREATE TABLE rings (
    notice INTEGER NOT NULL,
    channel TEXT NOT NULL,
    person TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (notice, channel, person)
);

CREATE INDEX rings_lately ON rings (channel, person, at);

CREATE INDEX outbox_by_incident ON outbox (incident);
