-- Counts, states and lists are read from these alone: the rows themselves hold whole images, results or measures.
CREATE INDEX tasks_live ON tasks (project_id, task_id) WHERE deleted_at IS NULL;
CREATE INDEX annotations_live ON annotations (project_id, task_id, was_cancelled, annotation_id)
    WHERE deleted_at IS NULL;
CREATE INDEX versions_outline ON versions (project_id, number, labels, created_at, name);
CREATE INDEX events_by_project ON events (project_id, id);

-- How the project's tasks are ranked, and how those were that Label Studio serves; absent: as the program does by itself.
ALTER TABLE projects ADD COLUMN strategy TEXT;
ALTER TABLE projects ADD COLUMN queue_strategy TEXT;
