-- Selections on their way into a project of Label Studio: a row goes when all their images are there.
CREATE TABLE pushes (
    tag TEXT NOT NULL,
    project_id BIGINT NOT NULL,
    begun_at BIGINT NOT NULL,
    PRIMARY KEY (tag, project_id)
);
