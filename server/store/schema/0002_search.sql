-- Tags, and the header fields that searches look into.

-- `folded` is case-folded, for comparing; every message that has a tag has it in the same case.
CREATE TABLE tag (
    cursor INTEGER NOT NULL,
    folded TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (cursor, folded)
) WITHOUT ROWID;
CREATE INDEX tag_name ON tag (folded, name, cursor);

-- Header fields in the form that searches compare (see `terms.plain`), apart from `message`, so
-- that a listing never walks over them.
CREATE TABLE header (
    cursor INTEGER PRIMARY KEY,
    from_ TEXT NOT NULL,
    to_ TEXT NOT NULL,
    cc TEXT NOT NULL,
    reply_to TEXT NOT NULL,
    message_id TEXT NOT NULL
);

-- Of messages that were kept before, as far as SQL can do it.
INSERT INTO header (cursor, from_, to_, cc, reply_to, message_id)
SELECT
    cursor,
    lower(replace(replace(replace(coalesce(json_extract(fields, '$.from_'), ''), '<', ' '), '>', ' '), '"', ' ')),
    lower(replace(replace(replace(coalesce(json_extract(fields, '$.to'), ''), '<', ' '), '>', ' '), '"', ' ')),
    lower(replace(replace(replace(coalesce(json_extract(fields, '$.cc'), ''), '<', ' '), '>', ' '), '"', ' ')),
    '',
    lower(replace(replace(coalesce(json_extract(fields, '$.message_id'), ''), '<', ' '), '>', ' '))
FROM message;
