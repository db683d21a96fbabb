-- Shared by requeue.lua and restore.lua: puts a job into its queue as if it had never run.

local function requeue_job(job, at_front)
  leave(job)
  call('HDEL', job.key, 'lullaby_failures', 'lullaby_lost', 'lullaby_error', 'lullaby_stop', 'exc_info', 'result')
  call('HDEL', own .. 'quarantine', job.id)
  local retries = call('HGET', job.key, 'lullaby_retries')
  if retries then call('HSET', job.key, 'retries_left', retries) end
  if real_time then call('PERSIST', job.key) end
  enter_queue_anew(job, at_front)
end
