-- Moves scheduled jobs that are due into their queues, in the order of their times; those of one queue and instant in the order in which
-- they were made.
--
-- ARGV[6]  the most jobs, at most 1,000
-- ARGV[7]  the value with which this process holds RQ's scheduler locks; begins with "lullaby"
-- ARGV[8…] the only queues to look at; none means all there are
-- Answer   how many were moved; when the next one is due in ms, or empty; 1 if it should be called again at once
--
-- RQ's registries say what is due, and nothing else does. A queue whose lock a Python scheduler holds is left to it: its tick is not atomic, so
-- two movers would make two runs.
local limit, moved, locks = tonumber(ARGV[6]), 0, {}
-- Whether this call did anything at all about what is due.
local went_on = false

local queues = {}
for i = 8, #ARGV do queues[#queues + 1] = ARGV[i] end
if #queues == 0 then
  for _, key in ipairs(call('SUNION', rq .. 'queues', own .. 'queues')) do queues[#queues + 1] = string.sub(key, #rq + 7) end
end
call('ZADD', own .. 'schedulers', int(now + 61000), ARGV[7])

local next_due
local function consider(at)
  if not next_due or at < next_due then next_due = at end
end

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

local function registry_of(queue) return rq .. 'scheduled:' .. queue end
-- To the millisecond; RQ's own scores are whole seconds.
local function instant(score) return math.ceil(tonumber(score) * 1000 - 0.5) end

-- Jobs of one instant -----------------------------------------------------------------------------------------------------------

-- A registry has those of one instant in the order of their ids. Up to so many are sorted by their numbers as they are moved. Of more, the ids
-- are looked at first, as many a call. Those that we made up are in the order in which they were made, and then the registry will do; if there are
-- others, the numbers of all are noted in `lullaby:instant:<queue>`. How far that is, `lullaby:instants` tells for each queue: the score,
-- what is done, of how many.
local TIES = 1000

local function noted(queue) return own .. 'instant:' .. queue end

local function all_made_up(ids)
  for _, id in ipairs(ids) do
    if not is_random(id) then return false end
  end
  return true
end

local function look_at_ids(queue, score, ties, done, count)
  local ids = call('ZRANGE', registry_of(queue), count, math.min(count + TIES, ties) - 1)
  if done == 'noting' then
    for _, id in ipairs(ids) do add(noted(queue), tonumber(call('HGET', job_key(id), 'lullaby_n') or '') or 0, id) end
  elseif not all_made_up(ids) then
    call('DEL', noted(queue))
    done, count, ids = 'noting', 0, {}
  end
  count = count + #ids
  if count >= ties then done = done == 'noting' and 'noted' or 'made-up' end
  call('HSET', own .. 'instants', queue, table.concat({ score, done, int(count) }, ' '))
  went_on = true
end

-- The first of those that were noted, in their order.
local function first_noted(queue, score)
  local ids, found, others = call('ZRANGE', noted(queue), 0, limit - 1), {}, {}
  local scores = #ids > 0 and call('ZMSCORE', registry_of(queue), unpack(ids))
  for i, id in ipairs(ids) do
    -- Others were withdrawn meanwhile, or put off.
    local list = scores[i] and tonumber(scores[i]) == tonumber(score) and found or others
    list[#list + 1] = id
  end
  if #others > 0 then call('ZREM', noted(queue), unpack(others)) end
  if #ids == 0 then call('HDEL', own .. 'instants', queue) end
  went_on = true
  return found
end

-- The first of so many of a queue's first instant that they cannot be sorted together, in their order; none while they are looked at.
local function first_of_many(queue, score, ties)
  local state = call('HGET', own .. 'instants', queue) or ''
  local known, done, count = string.match(state, '^(%S+) (%S+) (%S+)$')
  if known ~= score then done, count = 'looking', 0 end
  if done == 'made-up' then return call('ZRANGE', registry_of(queue), 0, limit - 1) end
  if done == 'noted' then return first_noted(queue, score) end
  look_at_ids(queue, score, ties, done, tonumber(count))
  return {}
end

-- What is due -------------------------------------------------------------------------------------------------------------------

-- The first of each queue, and the instant from which on there may be more than these.
local candidates, horizon = {}, math.huge

local function look(queue, most)
  local registry = registry_of(queue)
  local page = call('ZRANGEBYSCORE', registry, '-inf', now / 1000, 'WITHSCORES', 'LIMIT', 0, most)
  local first, last = page[2], page[#page]
  local is_full = #page == 2 * most
  if is_full and first ~= last then
    -- Python's may be of one instant to the millisecond all the same.
    horizon = math.min(horizon, math.max(instant(last), instant(first) + 1))
  elseif is_full then
    horizon = math.min(horizon, instant(first) + 1)
    local ties, ids = call('ZCOUNT', registry, first, first), nil
    if ties > TIES then
      ids = first_of_many(queue, first, ties)
    else
      ids = call('ZRANGE', registry, 0, ties - 1)
    end
    page = {}
    for _, id in ipairs(ids) do page[#page + 1], page[#page + 2] = id, first end
  end
  for i = 1, #page, 2 do candidates[#candidates + 1] = { id = page[i], at = instant(page[i + 1]), queue = queue } end
end

-- What leaves a registry at the end.
local gone = {}
local function leave_registry(each)
  local ids = gone[each.queue] or {}
  gone[each.queue] = ids
  ids[#ids + 1] = each.id
  went_on = true
end

-- RQ before 3.0 writes the registry first and the hash after it: a minute of patience, then quarantine.
local function miss(each)
  local seen = tonumber(call('HGET', own .. 'missing', each.id) or '') or now
  if now - seen >= 60000 then
    call('ZREM', registry_of(each.queue), each.id)
    call('HDEL', own .. 'missing', each.id)
    put_aside(each.id, 'scheduled without a hash', 'the scheduled jobs of the queue ' .. each.queue)
  else
    call('HSET', own .. 'missing', each.id, int(seen))
    consider(now + 1000)
  end
end

-- Reads what moving a job needs of it, in half the time of `load`; nil if it is not scheduled.
local function load_scheduled(each)
  local key = job_key(each.id)
  local value = redis.pcall('HMGET', key, 'status', 'origin', 'lullaby_due', 'lullaby_n', 'ttl', 'lullaby_ttl', 'enqueue_at_front',
    'lullaby_subject', 'lullaby_task', 'rate_limit_key')
  if value[1] == 'scheduled' then
    local due = tonumber(value[3] or '')
    return { id = each.id, key = key, status = 'scheduled', queue = present(value[2]) or each.queue, n = present(value[4]) or '0',
      -- Of one that Python scheduled we know no time of ours.
      due = due == each.at and due or nil, ttl = span(value[6], value[5]), at_front = value[7] == '1', subject = present(value[8]),
      task = value[9], limit = present(value[10]) or false }
  elseif not value[1] and not value.err and call('EXISTS', key) == 0 then
    miss(each)
  else
    -- It is somewhere else.
    leave_registry(each)
  end
end

local function sort_by(list, is_before)
  for i = 2, #list do
    if is_before(list[i], list[i - 1]) then return table.sort(list, is_before) end
  end
end

local due_queues = {}
for _, queue in ipairs(queues) do
  local first = call('ZRANGE', registry_of(queue), 0, 0, 'WITHSCORES')
  if not first[2] then
    -- Nothing is scheduled there.
  elseif instant(first[2]) > now then
    consider(instant(first[2]))
  elseif may_move(queue) then
    due_queues[#due_queues + 1] = queue
  else
    consider(now + 1000)
  end
end

if limit > 0 then
  for _, queue in ipairs(due_queues) do look(queue, math.max(100, math.ceil(limit / #due_queues))) end
  sort_by(candidates, function(one, other) return one.at < other.at end)
  local jobs = {}
  for _, each in ipairs(candidates) do
    if each.at >= horizon or (#jobs >= limit and each.at > jobs[#jobs].at) then break end
    local job = load_scheduled(each)
    if job then
      job.entry, job.at, job.number = each, each.at, tonumber(job.n) or 0
      jobs[#jobs + 1] = job
    end
  end
  sort_by(jobs, function(one, other)
    if one.at ~= other.at then return one.at < other.at end
    return one.number < other.number
  end)
  local some_missed = #jobs > 0 and call('EXISTS', own .. 'missing') == 1
  for i = 1, math.min(#jobs, limit) do
    enter_queue_anew(jobs[i], jobs[i].at_front)
    leave_registry(jobs[i].entry)
    if some_missed then call('HDEL', own .. 'missing', jobs[i].id) end
    moved = i
  end
  for queue, ids in pairs(gone) do
    for first = 1, #ids, 1000 do
      local last = math.min(first + 999, #ids)
      call('ZREM', registry_of(queue), unpack(ids, first, last))
      call('ZREM', noted(queue), unpack(ids, first, last))
    end
  end
end

for _, queue in ipairs(due_queues) do
  local first = call('ZRANGE', registry_of(queue), 0, 0, 'WITHSCORES')
  if first[2] and call('HEXISTS', own .. 'missing', first[1]) == 1 then
    first = call('ZRANGEBYSCORE', registry_of(queue), '(' .. string.format('%.17g', now / 1000), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  end
  if first[2] then consider(instant(first[2])) end
end
publish()
return { moved, next_due and int(next_due) or '', went_on and moved < limit and next_due and next_due <= now and 1 or 0 }
