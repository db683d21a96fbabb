-- Puts what is in quarantine back into its queue.
--
-- ARGV[6..]  ids; at most 1,000
-- Answer     for each: 1 queued, 2 there is no job to it, or one without a call; 0 it is not in quarantine
local answers = {}
for i = 6, #ARGV do
  local job = load(ARGV[i])
  if call('HEXISTS', own .. 'quarantine', ARGV[i]) == 0 then
    answers[#answers + 1] = 0
  elseif not job or job.status == 'started' or not is_rq_id(ARGV[i]) or call('HEXISTS', job.key, 'data') == 0 then
    answers[#answers + 1] = 2
  else
    requeue_job(job, false)
    answers[#answers + 1] = 1
  end
end
publish()
return answers
