-- In front of every script: time, key names, and the moves of a job that several scripts share.
--
-- KEYS[1]  <rq>queues; names the slot when the prefix has a hash tag
-- ARGV[1]  RQ's prefix with its colon, "rq:"
-- ARGV[2]  our own prefix with its colon, "lullaby:"
-- ARGV[3]  now in milliseconds; empty means the server's TIME
-- ARGV[4]  how many events of one subject are kept
-- ARGV[5]  how many events are kept in all
-- What a script takes beyond that begins at ARGV[6]; its own header says what.
local call, int = redis.call, function(number) return string.format('%d', number) end
local rq, own = ARGV[1], ARGV[2]
local LAST_MS = 253402207200000 -- the last instant of lullaby::clock::Timestamp
local real_time = ARGV[3] == ''
local now
if real_time then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
else
  now = tonumber(ARGV[3])
end

-- 2026-11-23T12:00:00.000000Z, as RQ writes instants. Days to date: Howard Hinnant's civil_from_days.
local function timestamp(ms)
  local seconds = math.floor(ms / 1000)
  local days = math.floor(seconds / 86400)
  local rest = seconds - days * 86400
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03d000Z', year, month, day,
    math.floor(rest / 3600), math.floor(rest / 60) % 60, rest % 60, ms - seconds * 1000)
end
local now_text, now_seconds, now_ms = timestamp(now), string.format('%.3f', now / 1000), int(now)

-- The ms of an instant that RQ or `timestamp` wrote; false of any other text. Date to days: Howard Hinnant's days_from_civil. What was taken
-- together began in one instant, so each text is read once.
local instants = {}
local function millis(text)
  if not text then return false end
  if instants[text] == nil then
    local year, month, day, hour, minute, second = string.match(text, '^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d%.?%d*)Z$')
    local ms = false
    if year then
      local m = tonumber(month)
      local y = tonumber(year) - (m <= 2 and 1 or 0)
      local era = math.floor(y / 400)
      local yoe = y - era * 400
      local doy = math.floor((153 * (m > 2 and m - 3 or m + 9) + 2) / 5) + tonumber(day) - 1
      local days = era * 146097 + yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy - 719468
      ms = math.floor((((days * 24 + tonumber(hour)) * 60 + tonumber(minute)) * 60 + tonumber(second)) * 1000 + 0.5)
    end
    instants[text] = ms
  end
  return instants[text]
end

local function present(value)
  if value and value ~= '' then return value end
end

local function after(span) return math.min(now + span, LAST_MS) end

-- A member that sorts by number among equal scores: the digits' count as a letter, the digits, the id.
local function member(number, id) return string.char(96 + #number) .. number .. ':' .. id end
local function member_id(text) return string.sub(text, string.find(text, ':', 1, true) + 1) end

-- A time to live in ms; nil is for ever. RQ has whole seconds and -1; ours, if finer, stands beside it.
local function span(ms, seconds, default)
  if present(ms) then return tonumber(ms) end
  if not present(seconds) then return default end
  seconds = tonumber(seconds)
  if seconds and seconds >= 0 then return seconds * 1000 end
end

local function job_key(id) return rq .. 'job:' .. id end

-- Whether an id is one that we made up: nobody has had it before. Of another one there may be results of a job that Python deleted.
local function is_random(id) return #id == 36 and string.sub(id, 15, 15) == '7' end

-- Whom to wake. What shows in a list or registry of RQ's is heard through client tracking; only the rest is published.
local topics = {}
local function touch(topic) topics[topic] = true end

-- What is added to lists and sorted sets goes in at the end of the script, one command for each: `add(key, score, member)`, `push(key, id)`;
-- and `set(key, field, value)` for hashes that hold many things, `delete(key)` for keys that nothing else names. Before anything is taken
-- out of them, or read, `flush()`.
local additions, deletions = { ZADD = {}, RPUSH = {}, HSET = {} }, {}
local function append(command, key, first, second)
  local list = additions[command][key]
  if not list then
    list = {}
    additions[command][key] = list
  end
  list[#list + 1] = first
  list[#list + 1] = second
end
local function add(key, score, member) append('ZADD', key, score, member) end
local function push(key, id) append('RPUSH', key, id) end
local function set(key, field, value) append('HSET', key, field, value) end
local function delete(key) deletions[#deletions + 1] = key end
local function flush()
  for command, lists in pairs(additions) do
    for key, list in pairs(lists) do
      for first = 1, #list, 1000 do call(command, key, unpack(list, first, math.min(first + 999, #list))) end
      lists[key] = nil
    end
  end
  for first = 1, #deletions, 1000 do call('DEL', unpack(deletions, first, math.min(first + 999, #deletions))) end
  deletions = {}
end

-- Events ------------------------------------------------------------------------------------------------------------------

-- The log is one stream, and for each subject a list of the ids of its events. What is over the limits goes at the end of a script.

local function events_of(subject) return own .. 'events:' .. subject end

-- The ids of events, taken from the counter one at first, then many together; `publish` gives back those that nobody had.
local event_id, events_left, events_taken = 0, 0, 1
local function take_event_id()
  if events_left == 0 then
    event_id, events_left = call('INCRBY', own .. 'last_event', events_taken) - events_taken, events_taken
    events_taken = 64
  end
  event_id, events_left = event_id + 1, events_left - 1
  return int(event_id)
end
local function give_event_ids_back()
  if events_left > 0 then call('DECRBY', own .. 'last_event', events_left) end
  events_left = 0
end

-- How many events this script appended, how many each of their subjects has, and whose list came to a multiple of this.
local LOOK_EVERY = 32
local appended, told, to_look_at = 0, {}, {}
local function append_event(subject, job, kind, data)
  local id = take_event_id()
  call('XADD', own .. 'events', id .. '-0', 's', subject, 'j', job, 'k', kind, 'd', data, 't', now_ms)
  local count = call('RPUSH', events_of(subject), id)
  appended, told[subject] = appended + 1, count
  if count % LOOK_EVERY == 0 then to_look_at[subject] = true end
  touch('v')
  return id
end

-- How many events there are above the limit of all.
local function surplus_events() return call('XLEN', own .. 'events') - tonumber(ARGV[5]) end

-- So many events more than the limit of all may stand until they go together: the first of a stream is searched for, which costs as much
-- for one as for a hundred.
local SLACK = 256

-- What goes by the limit of all goes unread, and leaves its ids in the lists of its subjects. They go when a list has grown a little, and
-- with the list of a subject of whom nothing more is told, in recover.lua. Taking each out with its event cost 5 us, more than to add one.
local function oldest_event()
  local first = call('XRANGE', own .. 'events', '-', '+', 'COUNT', 1)[1]
  return first and tonumber(string.match(first[1], '^%d+')) or math.huge
end

local function forget_dropped_events(subject, count, oldest)
  local gone = 0
  for _, id in ipairs(call('LRANGE', events_of(subject), 0, count - 1)) do
    if tonumber(id) >= oldest then break end
    gone = gone + 1
  end
  if gone > 0 then call('LPOP', events_of(subject), gone) end
end

-- Drops what is over the limits. Where somebody lowered the limit of all, that takes some scripts.
local function drop_surplus_events()
  if appended == 0 then return end
  local oldest = next(to_look_at) and oldest_event()
  for subject, count in pairs(told) do
    local surplus = count - tonumber(ARGV[4])
    if surplus > 0 then
      local ids = call('LPOP', events_of(subject), surplus)
      for first = 1, #ids, 1000 do call('XDEL', own .. 'events', unpack(ids, first, math.min(first + 999, #ids))) end
    elseif to_look_at[subject] then
      forget_dropped_events(subject, count, oldest)
    end
  end
  -- Whole nodes of the stream, at most 10,000 events.
  if surplus_events() > SLACK then call('XTRIM', own .. 'events', 'MAXLEN', '~', ARGV[5]) end
end

-- A text as JSON. What is told together is about few tasks, queues and workers.
local quoted = {}
local function quote(text)
  local known = quoted[text]
  if not known then
    known = cjson.encode(text)
    quoted[text] = known
  end
  return known
end

-- The event of a move, if anybody follows this job. `more` is JSON, with a comma in front.
local function tell(job, kind, more)
  if job.subject then append_event(job.subject, job.id, kind, '{"task":' .. quote(job.task or '') .. (more or '') .. '}') end
end
local function text(name, value) return ',"' .. name .. '":' .. (value and quote(value) or 'null') end
local function number(name, value) return ',"' .. name .. '":' .. int(value) end

-- A job ---------------------------------------------------------------------------------------------------------------------

-- RQ's ids since 2.8. Another one would break the members of its registries, and end the Python worker that takes it.
local function is_rq_id(id) return string.match(id, '^[%w_-]+$') ~= nil end

local function put_aside(id, why, where)
  call('HSET', own .. 'quarantine', id, why .. '; found in ' .. where .. ' at ' .. now_text)
end

local function load(id)
  local key = job_key(id)
  -- Somebody else's key of another kind is no job.
  local value = redis.pcall('HMGET', key, 'status', 'origin', 'lullaby_n', 'lullaby_expires', 'lullaby_subject', 'lullaby_task',
    'ttl', 'lullaby_ttl', 'result_ttl', 'lullaby_result_ttl', 'failure_ttl', 'lullaby_failure_ttl', 'lullaby_run',
    'started_at', 'worker_name', 'lullaby_due', 'lullaby_lost', 'lullaby_beat', 'created_at', 'enqueue_at_front',
    'lullaby_failures', 'rate_limit_key')
  if value.err or (not value[1] and not value[19]) then return nil end
  return {
    id = id, key = key, status = value[1] or 'created', queue = value[2] or '', n = present(value[3]) or '0',
    expires = present(value[4]), subject = present(value[5]), task = value[6], ttl = span(value[8], value[7]),
    result_ttl = span(value[10], value[9], 500000), failure_ttl = span(value[12], value[11], 31536000000),
    run = present(value[13]), started_at = value[14], worker = present(value[15]), due = tonumber(value[16] or ''),
    lost = tonumber(value[17] or '') or 0, beat = value[18], created_at = value[19], at_front = value[20] == '1',
    failures = tonumber(value[21] or '') or 0, limit = present(value[22]) or false,
  }
end

-- What the end of a job that went well needs of it, in two thirds of the time; nil if it has no status.
local function load_to_finish(id)
  local key = job_key(id)
  local value = call('HMGET', key, 'status', 'origin', 'lullaby_n', 'lullaby_subject', 'lullaby_task', 'ttl', 'lullaby_ttl',
    'result_ttl', 'lullaby_result_ttl', 'lullaby_run', 'started_at', 'worker_name', 'lullaby_beat')
  if not value[1] then return nil end
  return { id = id, key = key, status = value[1], queue = value[2] or '', n = present(value[3]) or '0', subject = present(value[4]),
    task = value[5], ttl = span(value[7], value[6]), result_ttl = span(value[9], value[8], 500000), run = present(value[10]),
    started_at = value[11], worker = present(value[12]), beat = value[13] }
end

-- In RQ's registry of what is under way an execution of ours has a deadline so many ms after its lease: no Python cleanup takes what we hold.
-- Our own reaper reads the lease from it.
local MARGIN = 120000

local function execution_id(token) return string.format('%032x', tonumber(token)) end
local function wip_member(id, token) return id .. ':' .. execution_id(token) end
local function wip_score(lease_until) return string.format('%.3f', (lease_until + MARGIN) / 1000) end

-- The token that it runs under, if it is ours: a Python worker that started it anew wrote another `started_at`. It stands in `more`, too, if
-- the job has one of the fields that claim.lua marks with a plus, so that all other jobs are settled without a look at them.
local function token_of(job)
  if job.status ~= 'started' or not job.run then return nil end
  local token, started_at, more = string.match(job.run, '^(%d+) (%S+) ?([-+=~]?)')
  if started_at ~= job.started_at then return nil end
  if more == '+' then job.more = token end
  return token
end

local function forget_expiry(job)
  if job.expires then
    flush()
    call('ZREM', own .. 'expiry', member(job.n, job.id))
    call('HDEL', job.key, 'lullaby_expires')
    job.expires = nil
  end
end

-- Takes an execution out of RQ's registry of those under way; false if it is not there.
local function leave_wip(job, token)
  return call('ZREM', rq .. 'wip:' .. job.queue, wip_member(job.id, token)) == 1
end

-- Notes in its hash how an execution ended, before the job forgets it; at most ten of them, and 1,000 bytes of an error. Only of one that is
-- not the job's last: most jobs run once, and cost nothing here.
local function keep_attempt(job, token, outcome, error, ended)
  local fine, kept = pcall(cjson.decode, call('HGET', job.key, 'lullaby_attempts') or '[]')
  if not fine or type(kept) ~= 'table' then kept = {} end
  local began = millis(job.started_at)
  error = error or ''
  -- Not in the middle of a letter.
  if #error > 1000 then error = string.gsub(string.sub(error, 1, 1000), '[\192-\247]?[\128-\191]*$', '') end
  kept[#kept + 1] = { token or '', began and int(began) or '', int(ended or now), outcome, job.worker or '', error }
  while #kept > 10 do table.remove(kept, 1) end
  call('HSET', job.key, 'lullaby_attempts', cjson.encode(kept))
end

local function forget_beat(job, token)
  if job.beat then
    local id = execution_id(token)
    local worker = rq .. 'worker:' .. (job.worker or '')
    call('DEL', rq .. 'execution:' .. job.id .. ':' .. id)
    call('ZREM', rq .. 'executions:' .. job.id, id)
    call('SREM', worker .. ':executions', job.id .. ':' .. id)
    if call('HGET', worker, 'current_job') == job.id then call('HDEL', worker, 'current_job') end
    if call('EXISTS', worker .. ':executions') == 0 and call('EXISTS', worker) == 1 then call('HSET', worker, 'state', 'idle') end
    call('HDEL', job.key, 'lullaby_beat')
  end
end

local known_queues = {}
local function know_queue(queue)
  if not known_queues[queue] then
    known_queues[queue] = true
    call('SADD', rq .. 'queues', rq .. 'queue:' .. queue)
  end
end

local function enter_list(job, at_front)
  local key = rq .. 'queue:' .. job.queue
  if at_front then call('LPUSH', key, job.id) else push(key, job.id) end
end

-- When that is over which is kept for so long: the instant in ms, the score in RQ's registries, and RQ's backstop in seconds, a minute after
-- our own sweep. Most jobs of a call are kept for the same time.
local terms = {}
local function term(ttl)
  local known = terms[ttl]
  if not known then
    local ends = after(ttl)
    known = { ends = int(ends), score = string.format('%.3f', ends / 1000), backstop = int(math.ceil(ttl / 1000) + 60) }
    terms[ttl] = known
  end
  return known
end

-- Never under a clock that is turned by hand.
local function expire_key(key, ttl)
  if real_time then call('EXPIRE', key, term(ttl).backstop) end
end

-- A job's ttl counts from when it enters its queue.
local function begin_ttl(job)
  if not job.ttl then return end
  local expires = term(job.ttl).ends
  call('HSET', job.key, 'lullaby_expires', expires)
  add(own .. 'expiry', expires, member(job.n, job.id))
  expire_key(job.key, job.ttl)
end

-- Rate limits of RQ 3 ---------------------------------------------------------------------------------------------------------

-- A job with `rate_limit_key` and `rate_limit_concurrency` enters its queue only by its limiter, which Python's programs share:
-- `rq:rl:<key>:allowed` holds those that are in their queues or run, at most as many at once as the limiter lets; `rq:rl:<key>:rate_limited`
-- those that wait for their turn.
local function limiter(key) return rq .. 'rl:' .. key end

-- The key of a job's limiter; false for most jobs. Of one that is about to finish or to start only `more` says that there may be one.
local function limit_of(job)
  if job.limit == nil and job.more then job.limit = present(call('HGET', job.key, 'rate_limit_key')) or false end
  return job.limit or false
end

-- Whether somebody runs it still, though its hash says otherwise: Python cancels and deletes what runs.
local function has_execution(id)
  return call('ZCOUNT', rq .. 'executions:' .. id, string.format('(%.3f', now / 1000), '+inf') > 0
end

local function tell_queued(job)
  if job.subject then tell(job, 'job.queued', text('queue', job.queue) .. (job.due and number('due', job.due) or '')) end
end

-- Behind all that wait for a slot: of one instant, too, where the set itself goes by names.
local function score_behind(waiting)
  local score, last = now / 1000, tonumber(call('ZREVRANGE', waiting, 0, 0, 'WITHSCORES')[2])
  -- Unless some clock is ahead of this one.
  if last and last >= score and last < score + 1 then score = last + 0.000001 end
  return string.format('%.6f', score)
end

-- Fills the free slots of a limiter with those that wait, the oldest first. Who takes jobs in this very script finds them in their lists.
local function fill_slots(key, concurrency)
  local allowed, waiting, held = limiter(key) .. ':allowed', limiter(key) .. ':rate_limited', {}
  while call('ZCARD', allowed) < concurrency do
    local first = call('ZPOPMIN', waiting)
    if not first[1] then break end
    local job = load(first[1])
    if job and job.status == 'rate_limited' and job.queue ~= '' then
      if call('ZSCORE', allowed, job.id) then
        -- An earlier run of it has not ended: two on one slot would be one too many.
        held[#held + 1] = first
      else
        call('ZADD', allowed, now / 1000, job.id)
        call('HSET', job.key, 'status', 'queued', 'enqueued_at', now_text)
        tell_queued(job)
        enter_list(job, job.at_front)
      end
    end
  end
  for _, one in ipairs(held) do call('ZADD', waiting, one[2], one[1]) end
  flush()
end

-- As the last one who enqueued for it said.
local function concurrency_of(key) return tonumber(call('HGET', limiter(key), 'concurrency') or '') or 0 end

-- Lets a job into its queue by its limiter: at once, or when a slot is free. False if it has no limit.
local function enter_by_limiter(job, at_front)
  local key = limit_of(job)
  local concurrency = key and tonumber(call('HGET', job.key, 'rate_limit_concurrency') or '') or 0
  if concurrency < 1 then return false end
  call('SADD', rq .. 'rl-keys', key)
  call('HSET', limiter(key), 'concurrency', int(concurrency))
  call('HSET', job.key, 'status', 'rate_limited')
  if at_front ~= (job.at_front or false) then call('HSET', job.key, 'enqueue_at_front', at_front and '1' or '0') end
  local waiting = limiter(key) .. ':rate_limited'
  call('ZADD', waiting, score_behind(waiting), job.id)
  begin_ttl(job)
  fill_slots(key, concurrency)
  if job.subject and call('ZSCORE', waiting, job.id) then tell(job, 'job.rate_limited', text('limit', key)) end
  return true
end

-- Whether a job that goes back to its queue without having ended has a slot, and keeps it.
local function keeps_slot(job)
  return (job.status == 'started' or job.status == 'queued') and call('ZSCORE', limiter(job.limit) .. ':allowed', job.id)
end

-- Gives a job's slot to the next one. It is for those who end an execution, or take a job away, and have written that.
local function free_slot(job)
  local key = limit_of(job)
  if not key or has_execution(job.id) then return end
  call('ZREM', limiter(key) .. ':allowed', job.id)
  fill_slots(key, concurrency_of(key))
end

-- Frees a slot whose job is gone, or stands where none holds one.
local function free_stale_slot(key, id)
  local job = load(id)
  if (job and (job.status == 'queued' or job.status == 'started')) or has_execution(id) then return end
  if call('ZREM', limiter(key) .. ':allowed', id) == 1 then fill_slots(key, concurrency_of(key)) end
end

-- What is left of an execution of ours whose job Python took away, and which has ended now: it may have held a slot up to here.
local function leave_taken_over(id, token)
  local execution = execution_id(token)
  if call('ZREM', rq .. 'executions:' .. id, execution) == 0 then return end
  call('DEL', rq .. 'execution:' .. id .. ':' .. execution)
  for _, key in ipairs(call('SMEMBERS', rq .. 'rl-keys')) do free_stale_slot(key, id) end
end

local function dependents_key(id) return job_key(id) .. ':dependents' end
-- With two colons: RQ's readers expect them.
local function dependencies_key(id) return rq .. 'job::' .. id .. ':dependencies' end

-- Takes a job out of its list or registry. One that waited for others is no longer known to them: RQ would let it in a second time.
local function leave(job)
  flush()
  local status, queue = job.status, job.queue
  if status == 'queued' then
    call('LREM', rq .. 'queue:' .. queue, 1, job.id)
  elseif status == 'scheduled' then
    call('ZREM', rq .. 'scheduled:' .. queue, job.id)
  elseif status == 'failed' or status == 'stopped' then
    call('ZREM', rq .. 'failed:' .. queue, job.id)
    if status == 'stopped' then call('ZREM', own .. 'stopped:' .. queue, job.id) end
  elseif status == 'finished' or status == 'canceled' then
    call('ZREM', rq .. status .. ':' .. queue, job.id)
  elseif status == 'deferred' then
    call('ZREM', rq .. 'deferred:' .. queue, job.id)
    for _, parent in ipairs(call('SMEMBERS', dependencies_key(job.id))) do call('SREM', dependents_key(parent), job.id) end
  elseif status == 'ready_to_enqueue' then
    call('ZREM', rq .. 'ready:' .. queue, job.id)
  elseif status == 'rate_limited' and limit_of(job) then
    call('ZREM', limiter(job.limit) .. ':rate_limited', job.id)
  end
  forget_expiry(job)
end

-- Who waits for it waits on, as in RQ: for a job of this id.
local function drop(job)
  limit_of(job)
  call('DEL', job.key, rq .. 'results:' .. job.id, dependencies_key(job.id))
  if job.subject then call('ZREM', own .. 'subject:' .. job.subject, job.id) end
  free_slot(job)
  touch('e')
end

local function enter_queue(job, at_front)
  know_queue(job.queue)
  if limit_of(job) and not keeps_slot(job) and enter_by_limiter(job, at_front or false) then return end
  call('HSET', job.key, 'status', 'queued', 'enqueued_at', now_text)
  begin_ttl(job)
  enter_list(job, at_front)
end

-- As `enter_queue`, with its event. The limiter tells of those that it lets in.
local function enter_queue_anew(job, at_front)
  if not limit_of(job) then tell_queued(job) end
  enter_queue(job, at_front)
end

-- Somebody may take a queue off RQ's list; what is scheduled for it moves all the same.
local function enter_scheduled(job, at)
  if not known_queues[job.queue] then call('SADD', own .. 'queues', rq .. 'queue:' .. job.queue) end
  know_queue(job.queue)
  add(rq .. 'scheduled:' .. job.queue, string.format('%.3f', at / 1000), job.id)
end

local function schedule(job, at)
  call('HSET', job.key, 'status', 'scheduled', 'lullaby_due', int(at))
  enter_scheduled(job, at)
end

-- Puts a job into its queue, or schedules it if its time is still to come.
local function let_in(job)
  if job.due and job.due > now then
    tell(job, 'job.scheduled', number('due', job.due))
    schedule(job, job.due)
  else
    enter_queue_anew(job, job.at_front)
  end
end

-- Whether a job whose `parent` stands so waits for it no longer. One without a status does not exist: as in RQ, nobody waits for that.
local function is_met(status, allows_failure)
  return not status or status == 'finished' or (allows_failure and status == 'failed')
end

-- Lets in those that waited for this job alone, which has ended so, in the order in which they were made.
local function release_dependents(id, ending)
  local ids = call('SMEMBERS', dependents_key(id))
  if #ids == 0 then return end
  local children = {}
  for _, each in ipairs(ids) do
    local child = load(each)
    if child and child.status == 'deferred' then
      children[#children + 1] = child
    else
      call('SREM', dependents_key(id), each)
    end
  end
  table.sort(children, function(one, other)
    if one.n ~= other.n then return tonumber(one.n) < tonumber(other.n) end
    return one.id < other.id
  end)
  for _, child in ipairs(children) do
    local allows_failure = call('HGET', child.key, 'allow_dependency_failures') == '1'
    local met = is_met(ending, allows_failure)
    for _, parent in ipairs(met and call('SMEMBERS', dependencies_key(child.id)) or {}) do
      if parent ~= id and not is_met(call('HGET', job_key(parent), 'status'), allows_failure) then met = false break end
    end
    if met then
      leave(child)
      call('SREM', dependents_key(id), child.id)
      let_in(child)
    end
  end
end

-- Puts the call of a job's callback, ours or RQ's, at the front of its queue. `run` tells the runs of one job apart.
local CALLBACKS = { finished = 'success', failed = 'failure', stopped = 'stopped' }
local function call_back(job, status, run)
  local kind = CALLBACKS[status]
  if not kind then return end
  local value = call('HMGET', job.key, 'lullaby_on_' .. kind, kind .. '_callback_name', kind .. '_callback_timeout')
  local task = present(value[1]) or present(value[2])
  local id = job.id .. '-on-' .. status .. '-' .. run
  if not task or call('EXISTS', job_key(id)) == 1 then return end
  -- As JSON, and not deflated: RQ takes that as it is.
  local about = '{"job": ' .. cjson.encode(job.id) .. ', "status": "' .. status .. '"}'
  call('HSET', job_key(id), 'data', '[' .. cjson.encode(task) .. ', null, [], ' .. about .. ']', 'origin', job.queue, 'created_at', now_text,
    'lullaby_n', int(call('INCR', own .. 'last_number')), 'timeout', present(value[3]) or '180', 'enqueue_at_front', '1')
  enter_queue({ id = id, key = job_key(id), queue = job.queue }, true)
end

-- Jobs that ended in this call, and how. Nobody waits for most jobs, so who waits is looked for together, most often at the end.
local ended, endings = {}, {}
local function note_end(id, status) ended[#ended + 1], endings[#endings + 1] = id, status end
local function release_all()
  flush()
  for first = 1, #ended, 1000 do
    local last, keys = math.min(first + 999, #ended), {}
    for i = first, last do keys[#keys + 1] = dependents_key(ended[i]) end
    if call('EXISTS', unpack(keys)) > 0 then
      for i = first, last do release_dependents(ended[i], endings[i]) end
    end
  end
  ended, endings = {}, {}
end

-- Every script that changes anything ends with this.
local function publish()
  release_all()
  flush()
  give_event_ids_back()
  drop_surplus_events()
  local all = ''
  for topic in pairs(topics) do all = all .. topic end
  if all ~= '' then call('PUBLISH', own .. 'wake', all) end
end

local function keep_finished(id, key, queue, ttl)
  if ttl then expire_key(key, ttl) end
  -- RQ's mark for "for ever".
  add(rq .. 'finished:' .. queue, ttl and term(ttl).score or '+inf', id)
end

-- Ends a job; at the end of the script who waited for it is let in. One that is kept for no time at all is dropped.
local function finish(job, status)
  if job.more then call_back(job, status, job.more) end
  local ttl = job.failure_ttl
  if status == 'finished' then ttl = job.result_ttl end
  -- Once it is gone it keeps nobody waiting: whoever waits for one that ended before it has to find it still there.
  if ttl == 0 and status ~= 'finished' then release_all() end
  note_end(job.id, status)
  if ttl == 0 then return drop(job) end
  call('HSET', job.key, 'status', status, 'ended_at', now_text)
  if status == 'finished' then
    keep_finished(job.id, job.key, job.queue, ttl)
    return free_slot(job)
  end
  if ttl then expire_key(job.key, ttl) end
  if status == 'canceled' then
    -- RQ keeps these for ever, so its registry has no room for when they go.
    if ttl then
      call('HSET', job.key, 'lullaby_expires', term(ttl).ends)
      add(own .. 'expiry', term(ttl).ends, member(job.n, job.id))
    end
    add(rq .. 'canceled:' .. job.queue, now_seconds, job.id)
  else
    -- Here that mark is another one.
    local score = ttl and term(ttl).score or '-1'
    add(rq .. 'failed:' .. job.queue, score, job.id)
    if status == 'stopped' then add(own .. 'stopped:' .. job.queue, score, job.id) end
  end
  free_slot(job)
end

-- Ends an execution, but not its job: that runs again at `at`, at the back of its queue.
local function come_back(job, at)
  if at > now then
    schedule(job, at)
    free_slot(job)
  else
    call('HSET', job.key, 'lullaby_due', int(at))
    enter_queue(job, false)
  end
end

-- A field and its value, if it has one.
local function with(field, value)
  if present(value) then return field, value end
end

-- An instant as RQ's results have it; empty if the text is none, which RQ takes for unknown.
local function seconds_of(text)
  local ms = millis(text)
  return ms and string.format('%.3f', ms / 1000) or ''
end

-- What RQ reads of an end: an entry in the job's stream of results. `...` is what came of it, if anything.
local function write_result(job, kind, token, ...)
  local key = rq .. 'results:' .. job.id
  call('XADD', key, 'MAXLEN', '~', '10', '*', 'type', kind, 'worker_name', job.worker or '', 'execution_id', execution_id(token),
    'execution_started_at', seconds_of(job.started_at), 'execution_ended_at', now_seconds, ...)
  local ttl = job.failure_ttl
  if kind == '1' then ttl = job.result_ttl end
  if ttl then expire_key(key, ttl) end
end

local function fail(job, token, error, exc)
  tell(job, 'job.failed', text('error', error))
  call('HSET', job.key, 'lullaby_error', error)
  if job.failure_ttl ~= 0 then write_result(job, '2', token, with('exc_string', exc)) end
  finish(job, 'failed')
end
