-- What is to deliver a notice, names with spaces between; empty: it is only shown.
ALTER TABLE outbox ADD COLUMN channels TEXT NOT NULL DEFAULT '';
