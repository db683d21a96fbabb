-- Withdraws jobs: one that waits is canceled, one that runs is asked to stop.
--
-- ARGV[6..]  ids; at most 1,000
-- Answer     for each: "c" canceled, "s" stopping, "n" not found, "e" and the status of one that has ended
local answers = {}
for i = 6, #ARGV do
  local job = load(ARGV[i])
  local answer
  if not job then
    answer = 'n'
  elseif job.status == 'started' then
    -- Told once: whoever hears it may answer with the same request.
    if call('HSET', job.key, 'lullaby_stop', '1') == 1 and job.worker then
      -- What a Python worker obeys.
      call('PUBLISH', rq .. 'pubsub:' .. job.worker, '{"command": "stop-job", "job_id": "' .. job.id .. '"}')
    end
    touch('c')
    answer = 's'
  elseif job.status == 'queued' or job.status == 'scheduled' or job.status == 'deferred' or job.status == 'created' then
    leave(job)
    tell(job, 'job.canceled')
    finish(job, 'canceled')
    answer = 'c'
  else
    answer = 'e' .. job.status
  end
  answers[#answers + 1] = answer
end
publish()
return answers
