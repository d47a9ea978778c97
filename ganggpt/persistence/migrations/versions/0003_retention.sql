-- Every day before this one is sealed: each actor with turns in it has a snapshot at or after its last turn there, and
-- no turn can come into it any more (a check of the part refuses it). A wake does not look into sealed days.
CREATE TABLE journal_seal (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    before date NOT NULL DEFAULT '-infinity'
);
INSERT INTO journal_seal DEFAULT VALUES;
