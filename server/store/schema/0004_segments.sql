-- Large bodies are in segment files beside the database; see sqlite_segments.

-- Names the segment files of this database, so that no other one takes them for its own.
CREATE TABLE segment_set (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    name TEXT NOT NULL
);
INSERT INTO segment_set (only, name) VALUES (1, lower(hex(randomblob(4))));

-- `size` is the bytes of its messages that are kept. A segment without any is dropped.
CREATE TABLE segment (
    number INTEGER PRIMARY KEY,
    size INTEGER NOT NULL
);

-- Where a message's bytes are that are not in `body`; `crc` is their CRC-32.
CREATE TABLE extent (
    cursor INTEGER PRIMARY KEY,
    segment INTEGER NOT NULL,
    place INTEGER NOT NULL,
    length INTEGER NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX extent_place ON extent (segment, place);

-- The pieces of transcripts in the order in which they came. They stood in the order of their
-- sessions, so that each message of a hundred sessions at once changed a page of its own.
ALTER TABLE transcript RENAME TO old_transcript;
CREATE TABLE transcript (
    piece INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    line INTEGER NOT NULL,
    lines TEXT NOT NULL
);
INSERT INTO transcript (session, line, lines) SELECT session, line, lines FROM old_transcript;
DROP TABLE old_transcript;
CREATE UNIQUE INDEX transcript_session ON transcript (session, line);
