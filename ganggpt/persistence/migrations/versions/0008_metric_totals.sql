-- What all processes of the world have counted, also those that ended: one row, written by the bridges. Whoever changes
-- it names the version it read, so that two bridges at once lose nothing.
CREATE TABLE metric_totals (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL,
    body bytea NOT NULL                              -- see ganggpt/serve/metrics/totals.py
);
