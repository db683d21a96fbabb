-- Shared by claim.lua and renew.lua: the keys by which RQ's tools, and its rate limits, see that a job runs. Others get them with their first
-- renewal only: most have ended by then.

local function show_execution(job, token, pickled)
  local id, worker = execution_id(token), job.worker or ''
  local key, seconds = rq .. 'execution:' .. job.id .. ':' .. id, string.format('%.6f', now / 1000)
  call('HSET', key, 'id', id, 'job_id', job.id, 'worker_name', worker, 'last_heartbeat', seconds)
  call('HSETNX', key, 'created_at', seconds)
  call('ZADD', rq .. 'executions:' .. job.id, now / 1000 + 180, id)
  call('SADD', rq .. 'worker:' .. worker .. ':executions', job.id .. ':' .. id)
  if real_time then
    call('EXPIRE', key, 120)
    call('EXPIRE', rq .. 'executions:' .. job.id, 180)
    call('EXPIRE', rq .. 'worker:' .. worker .. ':executions', 480)
  end
  call('HSET', job.key, 'last_heartbeat', now_text, 'lullaby_beat', '1')
  local record = rq .. 'worker:' .. worker
  if call('EXISTS', record) == 1 then
    call('HSET', record, 'state', 'busy')
    -- RQ 2's readers know one job a worker. The dashboard's page of workers is lost when that one is in JSON.
    if pickled then call('HSETNX', record, 'current_job', job.id) end
  end
end
