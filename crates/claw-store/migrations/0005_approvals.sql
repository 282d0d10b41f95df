-- Calls of tools that somebody has to allow first.
--
-- `shown` is the whole plan as it was shown, `digest` binds the answer to it. `state`: 0 pending,
-- 1 allowed, 2 denied, 3 expired, 4 used, 5 void.
CREATE TABLE approvals (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    task INTEGER NOT NULL,
    round INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    tool TEXT NOT NULL,
    shown TEXT NOT NULL,
    reason TEXT NOT NULL,
    digest BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    decided_by TEXT,
    decided_at INTEGER
) STRICT;
CREATE UNIQUE INDEX approvals_id ON approvals (id);
CREATE INDEX approvals_task ON approvals (task, n);
CREATE INDEX approvals_open ON approvals (n) WHERE state < 2;

-- The approval that a waiting task waits for.
ALTER TABLE tasks ADD COLUMN parked BLOB;

-- Whether strangers' words have entered a conversation.
ALTER TABLE sessions ADD COLUMN untrusted INTEGER NOT NULL DEFAULT 0;
