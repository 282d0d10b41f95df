-- Waiting tasks may be taken up by their session's run.
--
-- `steer`: NULL no; 0 yes; otherwise the place (task and attempt) of the attempt that took it up. The
-- mark of an attempt that no longer runs means no more than 0.

ALTER TABLE tasks ADD COLUMN steer INTEGER;
CREATE INDEX tasks_steering ON tasks (session, n) WHERE steer IS NOT NULL AND state = 0;
