-- Writes a job's meta if the execution is still its own and nobody else wrote meta since it was read.
--
-- ARGV[6]  id
-- ARGV[7]  token
-- ARGV[8]  meta as it was read, empty if there was none
-- ARGV[9]  the new meta, empty for none
-- Answer   1 written, 0 taken over, 2 somebody else wrote it: read it again
local job = load(ARGV[6])
if not job or token_of(job) ~= ARGV[7] then return 0 end
if (call('HGET', job.key, 'meta') or '') ~= ARGV[8] then return 2 end
if ARGV[9] == '' then call('HDEL', job.key, 'meta') else call('HSET', job.key, 'meta', ARGV[9]) end
return 1
