-- The inbox, as in SQLite (see schema/): every table means there what it means here.

-- Texts are compared by their bytes, whatever the locale of the database. PostgreSQL's have no NUL:
-- it is kept as U+FFFF. Indexes hold no long values, hence left(..., 200).

-- The conditions of searches are shared with SQLite, which calls this so.
CREATE FUNCTION instr(text, text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT strpos($1, $2)';

-- One row. Whoever changes the inbox locks it until the commit: so the numbers of changes, and the
-- cursors of messages, are seen in the order in which they were given, without a gap, by every node.
CREATE TABLE inbox (
    only_one smallint PRIMARY KEY CHECK (only_one = 1),
    sequence bigint NOT NULL,
    total bigint NOT NULL,
    unread bigint NOT NULL,
    size bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO inbox (only_one, sequence, total, unread, size) VALUES (1, 0, 0, 0, 0);

-- The latest changes, as JSON; how many is up to the nodes.
CREATE TABLE change (
    sequence bigint PRIMARY KEY,
    told text NOT NULL
);

CREATE TABLE message (
    cursor bigint PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    received bigint NOT NULL,
    size bigint NOT NULL,
    read smallint NOT NULL,
    sender text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    session text COLLATE "C" NOT NULL,
    envelope text NOT NULL,
    facts text NOT NULL,
    fields text NOT NULL
);
CREATE INDEX message_sender ON message (left(sender, 200), cursor);
CREATE INDEX message_received ON message (received);
CREATE INDEX message_session ON message (session);
CREATE INDEX message_unread ON message (cursor) WHERE read = 0;

-- So that they can be named where a mailbox's messages shadow `message`.
CREATE VIEW every_message AS SELECT cursor, read FROM message;

CREATE TABLE body (
    cursor bigint PRIMARY KEY,
    raw bytea NOT NULL
);

CREATE TABLE header (
    cursor bigint PRIMARY KEY,
    from_ text COLLATE "C" NOT NULL,
    to_ text COLLATE "C" NOT NULL,
    cc text COLLATE "C" NOT NULL,
    reply_to text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL
);

-- What a search sees of a message, and the digest that lists show: JSON, NULL when it could not be
-- parsed. `grams` are numbers of the runs of three characters in all texts that terms look into.
CREATE TABLE content (
    cursor bigint PRIMARY KEY,
    attachments integer NOT NULL,
    inline integer NOT NULL,
    digest text,
    text text COLLATE "C" NOT NULL,
    grams smallint[] NOT NULL
);
CREATE INDEX content_grams ON content USING gin (grams);
CREATE INDEX content_attachments ON content (cursor) WHERE attachments > 0;
CREATE INDEX content_inline ON content (cursor) WHERE inline > 0;

-- One row: all messages up to this cursor are in `content`. A node's indexer locks it while it puts
-- the next ones in.
CREATE TABLE content_frontier (
    only_one smallint PRIMARY KEY CHECK (only_one = 1),
    upto bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO content_frontier (only_one, upto) VALUES (1, 0);

CREATE TABLE recipient (
    cursor bigint NOT NULL,
    address text COLLATE "C" NOT NULL
);
CREATE INDEX recipient_cursor ON recipient (cursor);
CREATE INDEX recipient_address ON recipient (left(address, 200), cursor);

CREATE TABLE tag (
    cursor bigint NOT NULL,
    folded text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (cursor, folded)
);
CREATE INDEX tag_name ON tag (folded, name, cursor);

CREATE TABLE mailbox (
    name text COLLATE "C" NOT NULL,
    cursor bigint NOT NULL,
    read smallint NOT NULL,
    PRIMARY KEY (name, cursor)
);
CREATE INDEX mailbox_cursor ON mailbox (cursor, name);

CREATE TABLE mailbox_tag (
    mailbox text COLLATE "C" NOT NULL,
    cursor bigint NOT NULL,
    folded text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (mailbox, cursor, folded)
);
CREATE INDEX mailbox_tag_name ON mailbox_tag (mailbox, folded, name, cursor);
CREATE INDEX mailbox_tag_cursor ON mailbox_tag (cursor);

CREATE TABLE mailbox_total (
    name text COLLATE "C" PRIMARY KEY,
    total bigint NOT NULL,
    unread bigint NOT NULL,
    size bigint NOT NULL
);

CREATE TABLE transcript (
    session text COLLATE "C" NOT NULL,
    line bigint NOT NULL,
    lines text NOT NULL,
    PRIMARY KEY (session, line)
);
