-- Shared by cancel.lua and advance.lua: withdraws a job that waits, asks one that runs to stop; answers as cancel.lua says. With
-- `enqueue_dependents` those that wait for it alone are let in.

local function is_alive(job)
  local status = job and job.status
  return status == 'queued' or status == 'scheduled' or status == 'deferred' or status == 'created' or status == 'started'
    or status == 'ready_to_enqueue' or status == 'rate_limited'
end

local function cancel_job(id, enqueue_dependents)
  local job = load(id)
  if not job then return 'n' end
  if not is_alive(job) then return 'e' .. job.status end
  if job.status == 'started' then
    -- A worker of ours is told once: it answers what it hears with the same request. One of Python's may not have heard.
    local first = call('HSET', job.key, 'lullaby_stop', '1') == 1
    if job.worker and (first or not token_of(job)) then
      call('PUBLISH', rq .. 'pubsub:' .. job.worker, '{"command": "stop-job", "job_id": "' .. job.id .. '"}')
    end
    touch('c')
    if enqueue_dependents then release_dependents(id, 'finished') end
    return 's'
  end
  leave(job)
  tell(job, 'job.canceled')
  finish(job, 'canceled')
  if enqueue_dependents then release_dependents(id, 'finished') end
  return 'c'
end
