-- Shared by requeue.lua and restore.lua: puts a job into its queue as if it had never run.

local function requeue_job(job, at_front)
  leave(job)
  local token, started_at = string.match(job.run or '', '^(%d+) (%S+)')
  local ended = job.status == 'finished' or job.status == 'failed' or job.status == 'stopped'
  -- A run of Python's is in the results.
  if ended and token and started_at == job.started_at then
    local value = call('HMGET', job.key, 'ended_at', 'lullaby_error')
    keep_attempt(job, token, job.status, job.status == 'failed' and value[2], millis(value[1]))
  end
  call('HDEL', job.key, 'lullaby_failures', 'lullaby_lost', 'lullaby_error', 'lullaby_stop', 'exc_info', 'result')
  call('HDEL', own .. 'quarantine', job.id)
  local retries = call('HGET', job.key, 'lullaby_retries')
  if retries then call('HSET', job.key, 'retries_left', retries) end
  if real_time then call('PERSIST', job.key) end
  enter_queue_anew(job, at_front)
end
