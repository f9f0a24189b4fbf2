-- Records, their unique claims, and the append-only history.

CREATE TABLE records (
    organization TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    batch TEXT NOT NULL,
    schema INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (organization, kind, id)
) STRICT;

CREATE INDEX records_newest ON records (organization, kind, created_at DESC, id DESC);

CREATE TABLE claims (
    organization TEXT NOT NULL,
    kind TEXT NOT NULL,
    space TEXT NOT NULL,
    value TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (organization, kind, space, value)
) STRICT, WITHOUT ROWID;

CREATE INDEX claims_of ON claims (organization, kind, id);

CREATE TABLE heads (
    organization TEXT NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    organization TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (organization, sequence)
) STRICT;

CREATE INDEX events_about ON events (organization, subject, sequence);
CREATE INDEX events_of_action ON events (organization, action, sequence);

CREATE TRIGGER events_are_not_updated BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;

CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;
