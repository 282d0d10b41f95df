-- Machines that prove themselves by a key of their own.
--
-- `id` is the digest of the public key. `claim` are the scopes of a token that was approved and
-- that the device has yet to fetch.
CREATE TABLE devices (
    id BLOB PRIMARY KEY,
    public_key BLOB NOT NULL,
    display_name TEXT,
    platform TEXT,
    device_family TEXT,
    client_id TEXT,
    client_mode TEXT,
    role TEXT NOT NULL,
    scopes INTEGER NOT NULL,
    claim INTEGER,
    created_at INTEGER NOT NULL,
    approved_at INTEGER NOT NULL,
    seen_at INTEGER
) STRICT, WITHOUT ROWID;

-- One for each device and role; never the token itself.
CREATE TABLE device_tokens (
    device BLOB NOT NULL,
    role TEXT NOT NULL,
    digest BLOB NOT NULL,
    scopes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    rotated_at INTEGER,
    revoked_at INTEGER,
    used_at INTEGER,
    PRIMARY KEY (device, role)
) STRICT, WITHOUT ROWID;

-- Wishes to be paired, at most one for each device.
CREATE TABLE pairings (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    device BLOB NOT NULL,
    public_key BLOB NOT NULL,
    display_name TEXT,
    platform TEXT,
    device_family TEXT,
    client_id TEXT,
    client_mode TEXT,
    role TEXT NOT NULL,
    scopes INTEGER NOT NULL,
    is_upgrade INTEGER NOT NULL,
    requested_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX pairings_id ON pairings (id);
CREATE UNIQUE INDEX pairings_device ON pairings (device);
