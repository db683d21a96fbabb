-- Changes when a scheduled job is due. It stays scheduled, even if its time has come: the scheduler moves it, in the order of the times.
--
-- ARGV[6]  id
-- ARGV[7]  when in ms
-- Answer   1 changed, 0 it is not scheduled
local job = load(ARGV[6])
if not job or job.status ~= 'scheduled' then return 0 end
local at = tonumber(ARGV[7])
tell(job, 'job.scheduled', number('due', at))
schedule(job, at)
publish()
return 1
