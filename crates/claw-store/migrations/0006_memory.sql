-- What agents remember, for each agent and each owner it works for.
--
-- The terms of a memory are indexed with its scope's number before each, as `s<n>q<term>`: who
-- searches walks over nobody else's memories, and how often a word occurs there shows in no score.
-- `n` stays for the life of a memory; vectors will lie in a table of their own, by `n` and model.

CREATE TABLE memory_scopes (
    n INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    agent TEXT NOT NULL,
    memories INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX memory_scopes_whose ON memory_scopes (owner, agent);

CREATE TABLE memories (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    scope INTEGER NOT NULL,
    text TEXT NOT NULL,
    session TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX memories_id ON memories (id);
CREATE INDEX memories_of_scope ON memories (scope, n);
CREATE INDEX memories_age ON memories (created_at);

CREATE VIRTUAL TABLE memory_terms USING fts5 (terms, content = '', contentless_delete = 1, tokenize = 'ascii');

-- A model's summary that stands for the messages of a session up to number `upto`. It counts while
-- that is where the context begins.
CREATE TABLE summaries (
    session INTEGER PRIMARY KEY,
    upto INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
