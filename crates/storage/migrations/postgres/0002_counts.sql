-- How many records of a kind an organization has. Counting them would read an index entry of each.

CREATE TABLE counts (
    organization text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    records bigint NOT NULL,
    PRIMARY KEY (organization, kind)
);

INSERT INTO counts SELECT organization, kind, count(*) FROM records GROUP BY organization, kind;

CREATE FUNCTION records_are_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO counts AS c VALUES (NEW.organization, NEW.kind, 1)
        ON CONFLICT (organization, kind) DO UPDATE SET records = c.records + 1;
    ELSE
        UPDATE counts SET records = records - 1 WHERE organization = OLD.organization AND kind = OLD.kind;
    END IF;
    RETURN NULL;
END;
$$;

-- At the end of the transaction: whoever waits for a count then holds it shortly, and waits for no record any more.
CREATE CONSTRAINT TRIGGER records_are_counted AFTER INSERT OR DELETE ON records
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION records_are_counted();
