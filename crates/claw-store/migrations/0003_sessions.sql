-- Sessions get settings, a new beginning and an end; days and owners get their sums.
--
-- `profile` is JSON of version `form`: what runs of the session use unless they name their own.
-- Messages up to number `history_after` are before the last reset and no longer shown; those up
-- to `context_after` are no longer shown to a model.

ALTER TABLE sessions ADD COLUMN label TEXT;
ALTER TABLE sessions ADD COLUMN profile TEXT;
ALTER TABLE sessions ADD COLUMN form INTEGER NOT NULL DEFAULT 1;
ALTER TABLE sessions ADD COLUMN history_after INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN context_after INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN reset_at INTEGER;
CREATE INDEX sessions_label ON sessions (label) WHERE label IS NOT NULL;
CREATE INDEX sessions_of_agent ON sessions (agent, changed) WHERE agent <> 'main';

-- What remains of a session that was deleted: its name, for its ended tasks. Everything that was
-- said in it is erased piece by piece, beginning with the tasks after number `erased_to`.
CREATE TABLE deleted_sessions (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    key TEXT NOT NULL,
    agent TEXT NOT NULL,
    at INTEGER NOT NULL,
    erased_to INTEGER NOT NULL DEFAULT 0,
    erased INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX deleted_sessions_unerased ON deleted_sessions (n) WHERE erased = 0;

-- How many sessions each owner has with each agent, kept with every commit.
CREATE TABLE session_counts (
    owner TEXT NOT NULL,
    agent TEXT NOT NULL,
    sessions INTEGER NOT NULL,
    PRIMARY KEY (owner, agent)
) STRICT, WITHOUT ROWID;
INSERT INTO session_counts SELECT owner, agent, count(*) FROM sessions GROUP BY owner, agent;

-- What was used on each day (UTC, counted from 1970-01-01), kept with every commit.
CREATE TABLE usage_days (
    day INTEGER NOT NULL,
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    runs INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    PRIMARY KEY (day, owner, model)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_days
    SELECT r.ended_at / 86400000, t.owner, coalesce(r.model, ''), count(*), sum(r.input_tokens), sum(r.output_tokens),
        sum(r.cached_tokens)
    FROM runs r JOIN tasks t ON t.n = r.place >> 31
    WHERE r.outcome <> 'died'
    GROUP BY 1, 2, 3;
