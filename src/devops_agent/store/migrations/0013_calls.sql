-- When a message of several last called people, rather than was changed in place, and how bad it was then.
ALTER TABLE gatherings ADD COLUMN rung_at INTEGER;

UPDATE gatherings SET rung_at = told_at;
