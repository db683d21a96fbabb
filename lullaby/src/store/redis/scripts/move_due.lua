-- Moves scheduled jobs that are due into their queues, in the order of their times.
--
-- ARGV[6]  the most jobs, at most 1,000
-- ARGV[7]  the value with which this process holds RQ's scheduler locks; begins with "lullaby"
-- ARGV[8…] the only queues to look at; none means all there are
-- Answer   how many were moved; when the next one is due in ms, or empty
--
-- A queue whose lock a Python scheduler holds is left to it: its tick is not atomic, so two movers would make two runs.
local limit, moved, locks = tonumber(ARGV[6]), 0, {}

local served, queues = nil, {}
for i = 8, #ARGV do
  served = served or {}
  served[ARGV[i]] = true
  queues[#queues + 1] = ARGV[i]
end
if not served then
  for _, key in ipairs(call('SMEMBERS', rq .. 'queues')) do queues[#queues + 1] = string.sub(key, #rq + 7) end
end
call('ZADD', own .. 'schedulers', int(now + 61000), ARGV[7])

-- Whether RQ's lock on moving this queue's jobs is ours, taking it if it is free.
local function may_move(queue)
  if locks[queue] == nil then
    local key = rq .. 'scheduler-lock:' .. queue
    local holder = call('GET', key)
    if not holder or string.sub(holder, 1, 7) == 'lullaby' then
      call('SET', key, holder or ARGV[7], 'EX', 61)
      locks[queue] = true
    else
      locks[queue] = false
    end
  end
  return locks[queue]
end

local function move(job)
  enter_queue_anew(job, job.at_front)
  moved = moved + 1
end

-- What moving a scheduled job of ours needs of it, in half the time of `load`; nil if it is not scheduled.
local function load_scheduled(entry)
  local colon = string.find(entry, ':', 1, true)
  local id = string.sub(entry, colon + 1)
  local key = job_key(id)
  local value = redis.pcall('HMGET', key, 'status', 'origin', 'lullaby_due', 'ttl', 'lullaby_ttl', 'enqueue_at_front', 'lullaby_subject',
    'lullaby_task', 'rate_limit_key')
  if value[1] ~= 'scheduled' then return nil end
  return { id = id, key = key, status = 'scheduled', n = string.sub(entry, 2, colon - 1), queue = value[2] or '',
    due = tonumber(value[3] or ''), ttl = span(value[5], value[4]), at_front = value[6] == '1', subject = present(value[7]),
    task = value[8], limit = present(value[9]) or false }
end

-- Ours, in the order of time and number. (Who serves some queues only takes them from RQ's registries below.)
while moved < limit and not served do
  local members = call('ZRANGEBYSCORE', own .. 'due', '-inf', int(now), 'LIMIT', 0, limit - moved)
  if #members == 0 then break end
  call('ZREM', own .. 'due', unpack(members))
  local gone = {}
  for _, each in ipairs(members) do
    local job = load_scheduled(each)
    local score = job and call('ZSCORE', rq .. 'scheduled:' .. job.queue, job.id)
    -- Gone from RQ's registry: a Python scheduler moved it, or somebody withdrew it. A lock of Python's: it will.
    if score and may_move(job.queue) then
      if tonumber(score) * 1000 > now + 0.5 then
        call('ZADD', own .. 'due', int(math.ceil(tonumber(score) * 1000)), each)
      else
        move(job)
        local ids = gone[job.queue] or {}
        gone[job.queue] = ids
        ids[#ids + 1] = job.id
      end
    end
  end
  for queue, ids in pairs(gone) do call('ZREM', rq .. 'scheduled:' .. queue, unpack(ids)) end
end

local next_due
local function consider(at)
  if not next_due or at < next_due then next_due = at end
end
local head = call('ZRANGE', own .. 'due', 0, 0, 'WITHSCORES')
if head[2] and not served then consider(tonumber(head[2])) end

-- What Python scheduled: entries that are in RQ's registry only.
for _, queue in ipairs(queues) do
  local registry = rq .. 'scheduled:' .. queue
  local first = call('ZRANGE', registry, 0, 0, 'WITHSCORES')
  if first[2] then
    local at = math.ceil(tonumber(first[2]) * 1000 - 0.5)
    if at > now then
      consider(at)
    elseif not may_move(queue) then
      consider(now + 1000)
    else
      local ids = call('ZRANGEBYSCORE', registry, '-inf', now / 1000, 'LIMIT', 0, math.min(limit - moved, 1000))
      for _, id in ipairs(ids) do
        local job = load(id)
        if job and job.status == 'scheduled' then
          -- Of one that Python scheduled we know no time of ours.
          if call('ZREM', own .. 'due', member(job.n, id)) == 0 then job.due = nil end
          call('ZREM', registry, id)
          move(job)
          call('HDEL', own .. 'missing', id)
        elseif job then
          call('ZREM', registry, id)
        else
          -- RQ before 3.0 writes the registry first and the hash after it: a minute of patience, then quarantine.
          local seen = tonumber(call('HGET', own .. 'missing', id) or '') or now
          if now - seen >= 60000 then
            call('ZREM', registry, id)
            call('HDEL', own .. 'missing', id)
            put_aside(id, 'scheduled without a hash', 'the scheduled jobs of the queue ' .. queue)
          else
            call('HSET', own .. 'missing', id, int(seen))
            consider(now + 1000)
          end
        end
      end
      first = call('ZRANGE', registry, 0, 0, 'WITHSCORES')
      if first[2] then
        at = math.ceil(tonumber(first[2]) * 1000 - 0.5)
        if at > now or call('HEXISTS', own .. 'missing', first[1]) == 0 then consider(at) end
      end
    end
  end
end
publish()
return { moved, next_due and int(next_due) or '' }
