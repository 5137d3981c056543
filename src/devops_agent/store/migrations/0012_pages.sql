-- What the pages ask for, without walking through whole tables.
CREATE INDEX incidents_by_target ON incidents (target, number);

CREATE INDEX actions_by_target ON actions (target, started_at);

CREATE INDEX deliveries_failed ON deliveries (ended_at) WHERE stage = 'failed';

-- Check -> what was wrong when it was last made.
ALTER TABLE targets ADD COLUMN results_json TEXT NOT NULL DEFAULT '{}';
