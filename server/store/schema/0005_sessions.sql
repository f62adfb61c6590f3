-- What is kept of each session: how many messages, and where its transcript ends. Without this
-- table messages and transcripts were found by indexes in the order of their sessions, of which
-- each message of a hundred sessions at once changed two pages of its own. Live sessions are
-- neighbours here.
CREATE TABLE session (
    name TEXT PRIMARY KEY,
    messages INTEGER NOT NULL,
    piece INTEGER NOT NULL
) WITHOUT ROWID;

-- The pieces of transcripts: each knows the one before it, 0 for the first of its session.
CREATE TEMP TABLE old_piece AS
SELECT
    row_number() OVER by_session AS piece,
    CASE
        WHEN lag(session) OVER by_session = session THEN row_number() OVER by_session - 1
        ELSE 0
    END AS previous,
    session,
    lines
FROM transcript
WHERE session IN (SELECT session FROM message)
WINDOW by_session AS (ORDER BY session, line);
INSERT INTO session (name, messages, piece)
SELECT session, messages, coalesce(piece, 0)
FROM (SELECT session, count(*) AS messages FROM message GROUP BY session)
LEFT JOIN (SELECT session, max(piece) AS piece FROM old_piece GROUP BY session) USING (session);
DROP TABLE transcript;
CREATE TABLE transcript (
    piece INTEGER PRIMARY KEY,
    previous INTEGER NOT NULL,
    lines TEXT NOT NULL
);
INSERT INTO transcript (piece, previous, lines) SELECT piece, previous, lines FROM old_piece;
DROP TABLE old_piece;
DROP INDEX message_session;
