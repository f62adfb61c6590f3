-- Mailboxes: which message is in which, with the read flag and the tags that it has there.

CREATE TABLE mailbox (
    name TEXT NOT NULL,
    cursor INTEGER NOT NULL,
    read INTEGER NOT NULL,
    PRIMARY KEY (name, cursor)
) WITHOUT ROWID;
CREATE INDEX mailbox_cursor ON mailbox (cursor, name);

-- As `tag`, which has those of the whole inbox; every message of a mailbox has a tag in one case.
CREATE TABLE mailbox_tag (
    mailbox TEXT NOT NULL,
    cursor INTEGER NOT NULL,
    folded TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (mailbox, cursor, folded)
) WITHOUT ROWID;
CREATE INDEX mailbox_tag_name ON mailbox_tag (mailbox, folded, name, cursor);

-- So that counting needs no scan; a mailbox without messages has no row.
CREATE TABLE mailbox_total (
    name TEXT PRIMARY KEY,
    total INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    size INTEGER NOT NULL
) WITHOUT ROWID;
