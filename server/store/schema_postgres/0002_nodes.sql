-- The nodes that have this inbox, each by the id of its event log. Times are this server's.
CREATE TABLE node (
    id text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    run text NOT NULL,
    version text NOT NULL,
    started timestamptz NOT NULL DEFAULT now(),
    heartbeat timestamptz NOT NULL DEFAULT now(),
    -- Without a heartbeat for so long it is gone.
    patience interval NOT NULL,
    stopped boolean NOT NULL DEFAULT false,
    gone boolean NOT NULL DEFAULT false,
    -- Its listeners as its API tells them, as JSON; the number rises with every change.
    listeners text NOT NULL DEFAULT '[]',
    edition bigint NOT NULL DEFAULT 0,
    -- The cursor, in its log, of the newest event that is in node_event.
    told bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- The latest events of each node, by their cursors in its log, as JSON.
CREATE TABLE node_event (
    node text COLLATE "C" NOT NULL REFERENCES node ON DELETE CASCADE,
    cursor bigint NOT NULL,
    event text NOT NULL,
    PRIMARY KEY (node, cursor)
);
