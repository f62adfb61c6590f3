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
CREATE TEMP TABLE old_field AS
SELECT
    cursor,
    key,
    trim(replace(replace(replace(replace(replace(lower(value),
        '<', ' '), '>', ' '), '"', ' '), ',', ' '), '  ', ' ')) AS plain
FROM message, json_each(message.fields)
WHERE key IN ('from_', 'to', 'cc', 'message_id');
INSERT INTO header (cursor, from_, to_, cc, reply_to, message_id)
SELECT
    cursor,
    coalesce(max(plain) FILTER (WHERE key = 'from_'), ''),
    coalesce(max(plain) FILTER (WHERE key = 'to'), ''),
    coalesce(max(plain) FILTER (WHERE key = 'cc'), ''),
    '',
    coalesce(max(plain) FILTER (WHERE key = 'message_id'), '')
FROM message LEFT JOIN old_field USING (cursor)
GROUP BY cursor;
DROP TABLE old_field;
