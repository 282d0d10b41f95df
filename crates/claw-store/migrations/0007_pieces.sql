-- Long JSON, in pieces, where the row it belongs to holds an empty text: what one row holds goes through memory
-- several times over. `kind`: 0 a task's turn, its place the task's number; 1 a message, by its place.

CREATE TABLE pieces (
    kind INTEGER NOT NULL,
    place INTEGER NOT NULL,
    part INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (kind, place, part)
) STRICT;
