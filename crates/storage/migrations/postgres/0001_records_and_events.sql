-- Records, their unique claims, and the append-only history. Texts are compared by their bytes.

CREATE TABLE records (
    organization text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    batch text COLLATE "C" NOT NULL,
    schema bigint NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (organization, kind, id)
);

CREATE INDEX records_newest ON records (organization, kind, created_at DESC, id DESC);

CREATE TABLE claims (
    organization text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    space text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    PRIMARY KEY (organization, kind, space, value)
);

CREATE INDEX claims_of ON claims (organization, kind, id);

CREATE TABLE heads (
    organization text COLLATE "C" NOT NULL PRIMARY KEY,
    sequence bigint NOT NULL
);

CREATE TABLE events (
    organization text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    at bigint NOT NULL,
    actor text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (organization, sequence)
);

CREATE INDEX events_about ON events (organization, subject, sequence);
CREATE INDEX events_of_action ON events (organization, action, sequence);

CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are append-only';
END;
$$;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION events_are_append_only();

CREATE TRIGGER events_are_not_emptied BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only();
