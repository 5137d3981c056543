-- What was noted for one delivery of each notice; there are several now, in a table of their own.
DROP INDEX outbox_pending;

ALTER TABLE outbox DROP COLUMN channels;

ALTER TABLE outbox DROP COLUMN not_before;

ALTER TABLE outbox DROP COLUMN tries;

ALTER TABLE outbox DROP COLUMN sent_at;

-- When it was decided who is told; what is older than this table is told to nobody any more.
ALTER TABLE outbox ADD COLUMN routed_at INTEGER;

UPDATE outbox SET routed_at = created_at;

CREATE INDEX outbox_unrouted ON outbox (id) WHERE routed_at IS NULL;

-- One notice on its way to one channel, for one person ('' for whoever reads the channel).
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    notice INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    channel TEXT NOT NULL,
    person TEXT NOT NULL,
    thread TEXT NOT NULL,
    stage TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    says TEXT NOT NULL,
    repeats INTEGER NOT NULL DEFAULT 0,
    receipt_json TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    ended_at INTEGER
);

CREATE UNIQUE INDEX deliveries_once ON deliveries (notice, channel, person);

CREATE INDEX deliveries_due ON deliveries (channel, not_before) WHERE stage IN ('waiting', 'sending');

CREATE INDEX deliveries_in_order ON deliveries (channel, notice) WHERE stage IN ('waiting', 'sending');

CREATE INDEX deliveries_in_line ON deliveries (channel, person, thread, notice) WHERE stage IN ('waiting', 'sending');

CREATE INDEX deliveries_of_thread ON deliveries (thread, channel, person, notice);

-- How often each channel did what, since ever: rows above are forgotten, counters for Prometheus only grow.
CREATE TABLE delivery_counts (
    channel TEXT NOT NULL,
    result TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (channel, result)
);
