-- SPDX-License-Identifier: MIT
-- Large bodies are inserted with several commits, before the result that they belong to. The parts of
-- one that has no result yet are numbered from `first` on; dead: it will have none, and its parts are
-- to be deleted. A start finds those that a crash has left.
CREATE TABLE body_begun (
    first INTEGER PRIMARY KEY,
    parts INTEGER NOT NULL,
    dead INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX body_begun_dead ON body_begun (dead) WHERE dead > 0;
