-- Deletes jobs with all that is kept of them. A running one is not deleted.
--
-- ARGV[6..]  ids; at most 1,000
-- Answer     for each: 1 deleted, 2 running, 0 not found
local answers = {}
for i = 6, #ARGV do
  local job = load(ARGV[i])
  if not job then
    -- What is in quarantine may never have been a job.
    answers[#answers + 1] = call('HDEL', own .. 'quarantine', ARGV[i])
  elseif job.status == 'started' then
    answers[#answers + 1] = 2
  else
    leave(job)
    call('HDEL', own .. 'quarantine', job.id)
    drop(job)
    answers[#answers + 1] = 1
  end
end
publish()
return answers
