-- Whether a part of the picture could not be read.
ALTER TABLE embeddings ADD COLUMN damaged BIGINT NOT NULL DEFAULT 0;
