-- Drops what is past its time: queued jobs that were never run, what was kept of ended ones, workers that are gone. Ends what RQ 3 left
-- half done.
--
-- ARGV[6]  the most jobs, at most 1,000
-- ARGV[7]  after how many ms unseen a worker is gone
-- Answer   how many jobs; when the next one is past its time in ms, or empty
local limit, swept = tonumber(ARGV[6]), 0
local next_expiry
local function consider(at)
  if at and (not next_expiry or at < next_expiry) then next_expiry = at end
end

local function waits(job) return job.status == 'queued' or job.status == 'rate_limited' end

-- Jobs that were queued with a ttl, and canceled ones: RQ's registry of these has no room for when they go.
local function is_over(job)
  if not job.expires or tonumber(job.expires) > now then return false end
  return waits(job) or (job.status == 'canceled' and call('HEXISTS', job.key, 'ended_at') == 1)
end

while swept < limit do
  local members = call('ZRANGEBYSCORE', own .. 'expiry', '-inf', int(now), 'LIMIT', 0, limit - swept)
  if #members == 0 then break end
  for _, each in ipairs(members) do
    call('ZREM', own .. 'expiry', each)
    local job = load(member_id(each))
    if job and is_over(job) then
      if waits(job) then tell(job, 'job.expired') end
      leave(job)
      drop(job)
      swept = swept + 1
    end
  end
end
consider(tonumber(call('ZRANGE', own .. 'expiry', 0, 0, 'WITHSCORES')[2]))

-- The others that ended, ours and Python's: RQ's registries say when they go. One that has been put elsewhere since then only loses its line.
local function sweep_ended(registry, queue)
  local key = rq .. registry .. ':' .. queue
  while swept < limit do
    local ids = call('ZRANGEBYSCORE', key, 0, now_seconds, 'LIMIT', 0, limit - swept)
    if #ids == 0 then break end
    call('ZREM', key, unpack(ids))
    if registry == 'failed' then call('ZREM', own .. 'stopped:' .. queue, unpack(ids)) end
    for _, id in ipairs(ids) do
      local job = load(id)
      if job and (job.status == registry or (registry == 'failed' and job.status == 'stopped')) then
        drop(job)
        swept = swept + 1
      end
    end
  end
  -- Not those that are kept for ever, at infinity or below zero.
  local first = call('ZRANGEBYSCORE', key, 0, '(+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if first[2] then consider(math.floor(tonumber(first[2]) * 1000 + 0.5)) end
end
for _, key in ipairs(call('SUNION', rq .. 'queues', own .. 'queues')) do
  local queue = string.sub(key, #rq + 7)
  sweep_ended('finished', queue)
  sweep_ended('failed', queue)
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

-- Scripts that tell of events leave some above the limit of all.
local surplus = math.min(surplus_events(), 10 * limit)
if surplus > 0 then call('XTRIM', own .. 'events', 'MAXLEN', call('XLEN', own .. 'events') - surplus) end

for _, key in ipairs(call('SMEMBERS', rq .. 'workers')) do
  local worker = call('HMGET', key, 'lullaby_seen', 'queues')
  local gone = not worker[2] and call('EXISTS', key) == 0
  if gone or (worker[1] and tonumber(worker[1]) + tonumber(ARGV[7]) < now) then
    call('SREM', rq .. 'workers', key)
    for queue in string.gmatch(worker[2] or '', '[^,]+') do call('SREM', rq .. 'workers:' .. queue, key) end
    call('DEL', key, key .. ':executions')
  end
end

publish()
return { swept, next_expiry and int(next_expiry) or '' }
