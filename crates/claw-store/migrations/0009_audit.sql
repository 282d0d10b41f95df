-- What is written down for good, in a chain: `hash` is SHA-256 over the hash of the row before and over
-- all of this one. Rows are numbered without gaps; none is ever changed or taken away.
CREATE TABLE audit (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    door TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    details TEXT NOT NULL,
    hash BLOB NOT NULL,
    form INTEGER NOT NULL DEFAULT 1
) STRICT;

-- The chain's last row, so that rows which are missing at its end are missed; one row.
CREATE TABLE audit_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
INSERT INTO audit_head VALUES (1, 0, zeroblob(32));

CREATE TRIGGER audit_only_grows BEFORE INSERT ON audit WHEN new.n <> (SELECT n + 1 FROM audit_head) BEGIN
    SELECT RAISE(ABORT, 'rows of the audit log follow each other');
END;
CREATE TRIGGER audit_moves_its_head AFTER INSERT ON audit BEGIN
    UPDATE audit_head SET n = new.n, hash = new.hash;
END;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'rows of the audit log are never changed');
END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'rows of the audit log are never deleted');
END;
CREATE TRIGGER audit_head_only_grows BEFORE UPDATE ON audit_head WHEN new.n <> old.n + 1 BEGIN
    SELECT RAISE(ABORT, 'the head of the audit log only moves on');
END;
CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head BEGIN
    SELECT RAISE(ABORT, 'the head of the audit log stays');
END;
CREATE TRIGGER audit_head_is_one BEFORE INSERT ON audit_head BEGIN
    SELECT RAISE(ABORT, 'the audit log has one head');
END;
