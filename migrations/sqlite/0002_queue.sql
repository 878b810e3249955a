-- The version in whose order Label Studio serves the tasks.
ALTER TABLE projects ADD COLUMN queue_version TEXT;

-- 1: trainings publish, but the version that serves stays.
ALTER TABLE projects ADD COLUMN pinned BIGINT NOT NULL DEFAULT 0;
