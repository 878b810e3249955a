-- Images that were chosen together, by content: files have no task yet.
CREATE TABLE tags (
    tag TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    place BIGINT NOT NULL,
    tagged_at BIGINT NOT NULL,
    PRIMARY KEY (tag, content_hash)
);
