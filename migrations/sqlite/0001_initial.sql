-- Times are Unix microseconds. Flags are 0 or 1. JSON is text, so that one query text serves SQLite and PostgreSQL.

CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    title TEXT,
    label_config TEXT,
    config_digest TEXT,
    problem TEXT,
    min_annotations BIGINT,
    sampling TEXT,
    model_version TEXT,
    ls_created_at BIGINT,
    updates_seen BIGINT NOT NULL DEFAULT 0,
    updates_trained BIGINT NOT NULL DEFAULT 0,
    versions_reserved BIGINT NOT NULL DEFAULT 0,
    current_version BIGINT,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    deleted_at BIGINT
);

CREATE TABLE tasks (
    project_id BIGINT NOT NULL REFERENCES projects (id),
    task_id BIGINT NOT NULL,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (project_id, task_id)
);

-- A row with `deleted_at` is a tombstone: it keeps a late or repeated delivery from bringing the annotation back.
CREATE TABLE annotations (
    project_id BIGINT NOT NULL REFERENCES projects (id),
    annotation_id BIGINT NOT NULL,
    task_id BIGINT,
    result TEXT NOT NULL,
    was_cancelled BIGINT NOT NULL,
    ground_truth BIGINT NOT NULL,
    completed_by BIGINT,
    updated_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (project_id, annotation_id)
);
CREATE INDEX annotations_by_task ON annotations (project_id, task_id);

-- `digest` is empty for an event that may rightly come twice.
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    action TEXT NOT NULL,
    digest TEXT,
    summary TEXT NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX events_once ON events (project_id, digest);
CREATE INDEX events_by_time ON events (received_at);

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    not_before BIGINT NOT NULL,
    deadline BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    lease_owner TEXT,
    lease_until BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0,
    updates_claimed BIGINT NOT NULL DEFAULT 0,
    epoch BIGINT,
    epochs BIGINT,
    loss DOUBLE PRECISION,
    version BIGINT,
    metrics TEXT,
    error TEXT
);
CREATE UNIQUE INDEX jobs_one_queued ON jobs (project_id, kind) WHERE state = 'queued';
CREATE UNIQUE INDEX jobs_one_running ON jobs (project_id) WHERE state = 'running';
CREATE INDEX jobs_by_state ON jobs (state, not_before);
CREATE INDEX jobs_by_project ON jobs (project_id, id);

CREATE TABLE images (
    project_id BIGINT NOT NULL REFERENCES projects (id),
    source_key TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    fetched_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, source_key)
);

CREATE TABLE embeddings (
    content_hash TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    dim BIGINT NOT NULL,
    vector BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (content_hash, fingerprint)
);

CREATE TABLE versions (
    project_id BIGINT NOT NULL REFERENCES projects (id),
    number BIGINT NOT NULL,
    name TEXT NOT NULL,
    blob_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    config_digest TEXT NOT NULL,
    heads TEXT NOT NULL,
    metrics TEXT NOT NULL,
    labels BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    job_id BIGINT,
    PRIMARY KEY (project_id, number),
    UNIQUE (project_id, name)
);
