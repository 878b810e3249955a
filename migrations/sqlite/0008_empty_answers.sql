-- Whether an annotation was submitted without any choice: its task is still open.
ALTER TABLE annotations ADD COLUMN empty BIGINT NOT NULL DEFAULT 0;
-- A region without a choice says "none of these" where any number may be ticked, and nothing elsewhere.
UPDATE annotations SET empty = 1 WHERE was_cancelled = 0 AND deleted_at IS NULL AND (result = '[]'
    OR (result NOT LIKE '%"choices":["%' AND result NOT LIKE '%"choices":[[%' AND result NOT LIKE '%"choices":"%'
        AND NOT EXISTS (SELECT 1 FROM projects WHERE projects.id = annotations.project_id
            AND LOWER(projects.label_config) LIKE '%multiple%')));
DROP INDEX annotations_live;
CREATE INDEX annotations_live ON annotations (project_id, task_id, was_cancelled, empty, annotation_id)
    WHERE deleted_at IS NULL;
CREATE INDEX annotations_empty ON annotations (project_id, task_id) WHERE deleted_at IS NULL AND empty = 1;
