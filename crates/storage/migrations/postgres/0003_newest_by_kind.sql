-- Every kind has an index of its own for this.

DROP INDEX records_newest;
