-- What a key may have generated is what the configuration says of its plan.

ALTER TABLE api_keys ADD COLUMN plan TEXT NOT NULL DEFAULT 'default';
