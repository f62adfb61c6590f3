-- The inbox: messages, their bytes, their recipients, the transcripts of their sessions.

-- One row, so that counting needs no scan. `sequence` is the number of the latest change.
CREATE TABLE inbox (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    sequence INTEGER NOT NULL,
    total INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    size INTEGER NOT NULL
);
INSERT INTO inbox (only, sequence, total, unread, size) VALUES (1, 0, 0, 0, 0);

-- `cursor` is the sequence number of the change that added the message: it rises, is never given
-- twice even when the newest message is deleted, and lets `added` changes be told again later.
-- `received` is in microseconds since 1970, UTC. `sender` and `subject` are case-folded, for
-- comparing; envelope, facts and fields are JSON, for showing.
CREATE TABLE message (
    cursor INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    received INTEGER NOT NULL,
    size INTEGER NOT NULL,
    read INTEGER NOT NULL,
    sender TEXT NOT NULL,
    subject TEXT NOT NULL,
    session TEXT NOT NULL,
    envelope TEXT NOT NULL,
    facts TEXT NOT NULL,
    fields TEXT NOT NULL
);
CREATE INDEX message_sender ON message (sender);
CREATE INDEX message_received ON message (received);
CREATE INDEX message_session ON message (session);
CREATE INDEX message_unread ON message (cursor) WHERE read = 0;

-- Bytes as received, apart from `message`, so that a listing never walks over them.
CREATE TABLE body (
    cursor INTEGER PRIMARY KEY,
    raw BLOB NOT NULL
);

-- `address` is case-folded.
CREATE TABLE recipient (
    cursor INTEGER NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (cursor, address)
) WITHOUT ROWID;
CREATE INDEX recipient_address ON recipient (address, cursor);

-- A session's transcript in pieces, so that each message of a long session writes only what is new.
-- `line` is the number of the first line in `lines`, a JSON array.
CREATE TABLE transcript (
    session TEXT NOT NULL,
    line INTEGER NOT NULL,
    lines TEXT NOT NULL,
    PRIMARY KEY (session, line)
) WITHOUT ROWID;
