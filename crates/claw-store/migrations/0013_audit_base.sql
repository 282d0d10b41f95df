-- Where the chain of the audit log begins: before its first row, or, once old rows were taken away, behind the last
-- of those, whose hash stays here. Rows go from the beginning alone, and only up to here.
CREATE TABLE audit_base (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
INSERT INTO audit_base VALUES (1, 0, zeroblob(32));

DROP TRIGGER audit_is_never_deleted;
CREATE TRIGGER audit_goes_from_its_beginning BEFORE DELETE ON audit WHEN old.n > (SELECT n FROM audit_base) BEGIN
    SELECT RAISE(ABORT, 'rows of the audit log behind its beginning are never deleted');
END;
CREATE TRIGGER audit_base_is_a_row BEFORE UPDATE ON audit_base
WHEN new.n <= old.n OR new.hash IS NOT (SELECT hash FROM audit WHERE n = new.n) BEGIN
    SELECT RAISE(ABORT, 'the beginning of the audit log only moves on, to a row of it');
END;
CREATE TRIGGER audit_base_stays BEFORE DELETE ON audit_base BEGIN
    SELECT RAISE(ABORT, 'the beginning of the audit log stays');
END;
CREATE TRIGGER audit_base_is_one BEFORE INSERT ON audit_base BEGIN
    SELECT RAISE(ABORT, 'the audit log has one beginning');
END;
