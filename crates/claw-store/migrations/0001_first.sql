-- The truth, first form.
--
-- `n` is a row's number in the order of acceptance, given out by the one writer. A `place` is
-- `n * 2^31 + number`, so that the entries of one task or session lie together and a number is
-- found without an index. `form` is the version of the JSON beside it. Moments are milliseconds.

CREATE TABLE sessions (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    key TEXT NOT NULL,
    owner TEXT NOT NULL,
    agent TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    model TEXT
) STRICT;
CREATE UNIQUE INDEX sessions_id ON sessions (id);
CREATE UNIQUE INDEX sessions_key ON sessions (key);
CREATE UNIQUE INDEX sessions_changed ON sessions (changed);
CREATE INDEX sessions_of_tenant ON sessions (owner, changed) WHERE owner <> 'operator';

-- `state`: 0 queued, 1 running, 2 completed, 3 failed, 4 cancelled; `state_at` is not-before,
-- since, or the end. The turn lies apart, so that a change of state does not rewrite it.
CREATE TABLE tasks (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    session INTEGER NOT NULL,
    owner TEXT NOT NULL,
    scopes INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    label TEXT,
    on_crash INTEGER NOT NULL,
    callback TEXT,
    attached INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    progress INTEGER NOT NULL,
    cancel_at INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    state INTEGER NOT NULL,
    state_at INTEGER NOT NULL,
    result TEXT,
    form INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX tasks_id ON tasks (id);
CREATE INDEX tasks_state ON tasks (state, n);
CREATE INDEX tasks_session ON tasks (session, n);
CREATE INDEX tasks_of_tenant ON tasks (owner, n) WHERE owner <> 'operator';
CREATE INDEX tasks_of_tenant_by_state ON tasks (owner, state, n) WHERE owner <> 'operator';
CREATE INDEX tasks_open ON tasks (session, n) WHERE state < 2;
CREATE INDEX tasks_waited_for ON tasks (n) WHERE attached = 1 AND state = 0;
-- Two runs of one session cannot be on at once (G5).
CREATE UNIQUE INDEX tasks_running ON tasks (session) WHERE state = 1;

CREATE TABLE inputs (
    task INTEGER PRIMARY KEY,
    turn TEXT NOT NULL,
    form INTEGER NOT NULL DEFAULT 1
) STRICT;

-- One row per append: a JSON array of events, the last one's number in the place.
CREATE TABLE events (
    place INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    form INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE messages (
    place INTEGER PRIMARY KEY,
    task INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    form INTEGER NOT NULL DEFAULT 1
) STRICT;

-- Attempts that ended; the one that runs is in its task.
CREATE TABLE runs (
    place INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    error TEXT,
    model TEXT,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL
) STRICT;

CREATE TABLE journal (
    place INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    form INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE idempotency (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    task INTEGER NOT NULL,
    digest BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at);

-- `state`: 0 due at `at`, 1 delivered at `at`, 2 given up at `at`.
CREATE TABLE outbox (
    n INTEGER PRIMARY KEY,
    task INTEGER NOT NULL,
    callback TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state INTEGER NOT NULL,
    at INTEGER NOT NULL,
    form INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX outbox_state ON outbox (state, at);

CREATE TABLE api_keys (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    scopes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX api_keys_id ON api_keys (id);
CREATE UNIQUE INDEX api_keys_digest ON api_keys (digest);

-- How many there are of each, kept with every commit; one row.
CREATE TABLE counts (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    queued INTEGER NOT NULL,
    running INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    sessions INTEGER NOT NULL
) STRICT;
INSERT INTO counts VALUES (1, 0, 0, 0, 0, 0, 0);
