-- Whether an image was tagged since.
CREATE INDEX tags_by_time ON tags (tagged_at);
