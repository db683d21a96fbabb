-- Extends leases, and RQ's own deadline with them. From its first renewal on an execution has the keys that RQ's tools look at.
--
-- ARGV[6]    the lease in ms
-- ARGV[7..]  for each: id, token, "p" if its call is a pickle, else empty; at most 1,000
-- Answer     1 renewed, 2 renewed and somebody asked to stop it, 0 taken over
local answers, lease_until = {}, after(tonumber(ARGV[6]))
local wip = math.max(now + 120000, lease_until + 30000) / 1000

local function show(job, token, pickled)
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

for i = 7, #ARGV, 3 do
  local id, token = ARGV[i], ARGV[i + 1]
  local job = load(id)
  if job and token_of(job) == token then
    call('HSET', job.key, 'lullaby_lease', int(lease_until))
    call('ZADD', own .. 'leases', int(lease_until), member(job.n, id))
    call('ZADD', rq .. 'wip:' .. job.queue, wip, id .. ':' .. execution_id(token))
    show(job, token, ARGV[i + 2] == 'p')
    answers[#answers + 1] = call('HGET', job.key, 'lullaby_stop') == '1' and 2 or 1
  else
    answers[#answers + 1] = 0
  end
end
return answers
