-- Drops what is past its time: queued jobs that were never run, what was kept of ended ones, workers that are gone. Ends what RQ 3 left
-- half done.
--
-- ARGV[6]  the most jobs, at most 1,000
-- ARGV[7]  after how many ms unseen a worker is gone
-- Answer   how many jobs; when the next one is past its time in ms, or empty
local limit, swept = tonumber(ARGV[6]), 0

-- Whether this expiry speaks of where the job stands now. One that Python moved since then has another score there, or none.
local function is_ours_to_drop(job)
  if job.status == 'queued' or job.status == 'rate_limited' then return true end
  local registry = job.status
  if registry == 'stopped' then registry = 'failed' end
  if registry == 'canceled' then return call('HEXISTS', job.key, 'ended_at') == 1 end
  if registry ~= 'finished' and registry ~= 'failed' then return false end
  local score = tonumber(call('ZSCORE', rq .. registry .. ':' .. job.queue, job.id) or '')
  -- RQ's own cleanup takes the line away when its time is over, too.
  return not score or math.abs(score * 1000 - tonumber(job.expires)) < 1
end

while swept < limit do
  local members = call('ZRANGEBYSCORE', own .. 'expiry', '-inf', int(now), 'LIMIT', 0, limit - swept)
  if #members == 0 then break end
  for _, each in ipairs(members) do
    call('ZREM', own .. 'expiry', each)
    local job = load(member_id(each))
    if job and job.expires and tonumber(job.expires) <= now and is_ours_to_drop(job) then
      if job.status == 'queued' or job.status == 'rate_limited' then tell(job, 'job.expired') end
      leave(job)
      drop(job)
      swept = swept + 1
    end
  end
end

-- Python's results, whose hash has a time of its own: only the registry's line goes, as in RQ's own cleanup.
if swept < limit then
  for _, key in ipairs(call('SMEMBERS', rq .. 'queues')) do
    local queue = string.sub(key, #rq + 7)
    call('ZREMRANGEBYSCORE', rq .. 'finished:' .. queue, 0, now / 1000)
    call('ZREMRANGEBYSCORE', rq .. 'failed:' .. queue, 0, now / 1000)
    call('ZREMRANGEBYSCORE', own .. 'stopped:' .. queue, 0, now / 1000)
  end
end

-- What RQ 3 let in but did not push: its release is two steps, and a process that dies between them leaves the job here.
for _, key in ipairs(call('SMEMBERS', rq .. 'queues')) do
  local ready = rq .. 'ready:' .. string.sub(key, #rq + 7)
  for _, id in ipairs(call('ZRANGE', ready, 0, 999)) do
    local job = load(id)
    call('ZREM', ready, id)
    if job and job.status == 'ready_to_enqueue' then let_in(job) end
  end
end

-- Slots of jobs that Redis expired, or that somebody moved without a word to the limiter.
for _, key in ipairs(call('SMEMBERS', rq .. 'rl-keys')) do
  local allowed, waiting = limiter(key) .. ':allowed', limiter(key) .. ':rate_limited'
  for _, id in ipairs(call('ZRANGE', allowed, 0, 999)) do free_stale_slot(key, id) end
  fill_slots(key, concurrency_of(key))
  if call('ZCARD', allowed) == 0 and call('ZCARD', waiting) == 0 then
    call('SREM', rq .. 'rl-keys', key)
    call('DEL', limiter(key), allowed, waiting)
  end
end

for _, key in ipairs(call('SMEMBERS', rq .. 'workers')) do
  local worker = call('HMGET', key, 'lullaby_seen', 'queues')
  local gone = not worker[2] and call('EXISTS', key) == 0
  if gone or (worker[1] and tonumber(worker[1]) + tonumber(ARGV[7]) < now) then
    call('SREM', rq .. 'workers', key)
    for queue in string.gmatch(worker[2] or '', '[^,]+') do call('SREM', rq .. 'workers:' .. queue, key) end
    call('DEL', key, key .. ':executions')
  end
end

local head = call('ZRANGE', own .. 'expiry', 0, 0, 'WITHSCORES')
publish()
return { swept, head[2] and int(tonumber(head[2])) or '' }
