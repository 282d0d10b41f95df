-- Where strangers' words lie beside the conversations they came into.
--
-- `place` is `file:<absolute path>` of what a run wrote that had heard them, or `answer:<SHA-256>` of
-- what such a run answered to a caller who keeps the conversation himself.
CREATE TABLE strangers_words (
    place TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX strangers_words_at ON strangers_words (at);

-- Whether a memory was written by a run that had heard strangers' words.
ALTER TABLE memories ADD COLUMN untrusted INTEGER NOT NULL DEFAULT 0;
