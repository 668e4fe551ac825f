-- SPDX-License-Identifier: MIT
-- The results of a batch in each state, in order of input: a page of a rare state costs as much as
-- one of a common state. It takes the place of the index by task, since each index is written with
-- each result; a task's own result is found by its batch and the four states it may be in.
CREATE INDEX result_input ON result (task >> 24, state, task);
DROP INDEX result_task;
