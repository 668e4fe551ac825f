-- SPDX-License-Identifier: MIT
-- Batches by name and state, newest first: a job that runs every minute has many of one name, of which
-- few are not finished.
CREATE INDEX batch_name_state ON batch (name, state, id) WHERE name IS NOT NULL;
