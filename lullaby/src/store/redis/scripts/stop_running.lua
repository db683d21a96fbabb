-- Asks a job to stop that this worker runs; as RQ's `stop-job` and `stop-execution` want it.
--
-- ARGV[6]  the worker's name
-- ARGV[7]  id
-- ARGV[8]  the execution; empty for whichever runs
-- Answer   1 asked, 0 the worker does not run it
local job = load(ARGV[7])
local token = job and token_of(job)
if not token or job.worker ~= ARGV[6] then return 0 end
if ARGV[8] ~= '' and ARGV[8] ~= execution_id(token) then return 0 end
cancel_job(job.id)
publish()
return 1
