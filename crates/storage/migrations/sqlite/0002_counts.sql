-- How many records of a kind an organization has. Counting them would read an index entry of each.

CREATE TABLE counts (
    organization TEXT NOT NULL,
    kind TEXT NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (organization, kind)
) STRICT, WITHOUT ROWID;

INSERT INTO counts SELECT organization, kind, count(*) FROM records GROUP BY organization, kind;

CREATE TRIGGER records_are_counted AFTER INSERT ON records
BEGIN
    INSERT INTO counts VALUES (new.organization, new.kind, 1)
    ON CONFLICT (organization, kind) DO UPDATE SET records = records + 1;
END;

CREATE TRIGGER records_are_counted_off AFTER DELETE ON records
BEGIN
    UPDATE counts SET records = records - 1 WHERE organization = old.organization AND kind = old.kind;
END;
