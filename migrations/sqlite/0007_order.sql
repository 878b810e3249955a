-- Whether all of the order that Label Studio follows was written; 0: the rest is still to come.
ALTER TABLE projects ADD COLUMN queue_complete BIGINT NOT NULL DEFAULT 1;
