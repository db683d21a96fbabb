-- Takes jobs from the front of queues: owner and lease are written with it.
--
-- ARGV[6]    the worker's name
-- ARGV[7]    the lease in ms
-- ARGV[8]    the most jobs, at most 1,000
-- ARGV[9]    how many queues follow, in the order of preference
-- ...        the queues, then ids that this process leaves alone for a while
-- Answer     in MessagePack, which costs Redis a tenth of an answer in values of its own: now, then for each job its hash as it was before,
--            { id, token, { field, value, ... }, its mark }, or { id, token, value, ... } (see `start_plain` and `start_followed`)
local worker, lease, max, queues = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local answer = { int(now) }
if max == 0 or (queues > 0 and call('EXISTS', rq .. 'suspended') == 1) then return cmsgpack.pack(answer) end
local avoided, avoids = {}, #ARGV >= 10 + queues
for i = 10 + queues, #ARGV do avoided[ARGV[i]] = true end
local wip, started = wip_score(after(lease)), ' ' .. now_text .. ' '

-- Fields that few jobs have, and what they make of a job's mark in `lullaby_run`, which tells settle.lua what it need not look for: "+" calls
-- back or repeats; "=" is plain, that is, has no subject, waited for nobody, is kept for whole seconds and runs for the first time; "~" is
-- plain but for its subject; "-" is none of these.
local MARKS = {
  repeats_left = '+', lullaby_on_success = '+', lullaby_on_failure = '+', lullaby_on_stopped = '+',
  success_callback_name = '+', failure_callback_name = '+', stopped_callback_name = '+', rate_limit_key = '+',
  lullaby_subject = '~', dependency_id = '-', dependency_ids = '-', lullaby_result_ttl = '-', lullaby_run = '-', started_at = '-',
  ended_at = '-', ttl = '=', lullaby_expires = '=', lullaby_task = '=', lullaby_stop = '=', lullaby_lease = '=',
}

local RANKS = { ['='] = 0, ['~'] = 1, ['-'] = 2, ['+'] = 3 }

-- How far a queue is looked through behind ids that are left alone.
local SCAN = 10000

-- The numbers of executions, taken from the counter for as many jobs as are popped together.
local token, tokens_left = 0, 0
local function reserve_tokens(count)
  token, tokens_left = call('INCRBY', own .. 'last_token', count) - count, count
end
local function take_token()
  if tokens_left == 0 then reserve_tokens(1) end
  token, tokens_left = token + 1, tokens_left - 1
  return int(token)
end

local function queue_key(queue) return rq .. 'queue:' .. queue end

-- Somebody may take a queue off RQ's list while its jobs run; reap.lua looks there all the same.
local noted = {}
local function note_queue(queue)
  if not noted[queue] then
    noted[queue] = true
    call('SADD', own .. 'queues', queue_key(queue))
  end
end

-- What a job needs that has uncommon fields; answers its mark, or nil if its ttl is over and it was dropped.
local function prepare(job, found)
  local mark = '='
  for name, value in pairs(found) do
    local of_field = MARKS[name]
    if value == '' and (of_field == '+' or of_field == '~') then of_field = '=' end
    if RANKS[of_field] > RANKS[mark] then mark = of_field end
  end
  if mark == '+' then job.more = mark end
  job.subject, job.task, job.expires = present(found.lullaby_subject), found.lullaby_task, present(found.lullaby_expires)
  if job.expires and tonumber(job.expires) <= now then
    tell(job, 'job.expired')
    forget_expiry(job)
    return drop(job)
  end
  return mark
end

local function mark_started(id, key, queue, mark)
  note_queue(queue)
  local token = take_token()
  call('HSET', key, 'status', 'started', 'started_at', now_text, 'worker_name', worker,
    'lullaby_run', token .. started .. mark .. ' ' .. ARGV[7])
  add(rq .. 'wip:' .. queue, wip, wip_member(id, token))
  return token
end

-- What `enqueue` writes of a job that wants nothing special, in the first ten, and of one that has a subject or may be tried again, as those of
-- schedules do. All but the first eight may be missing. `USUAL_FIELDS` in hash.rs has the same names behind the first two, in whose place the
-- answer has the id and the token.
local FOLLOWED = { 'status', 'lullaby_n', 'data', 'origin', 'created_at', 'enqueued_at', 'timeout', 'description',
  'result_ttl', 'lullaby_due', 'failure_ttl', 'retries_left', 'lullaby_retries', 'retry_intervals', 'lullaby_retry', 'lullaby_slot',
  'lullaby_task', 'lullaby_subject' }

-- Whether a job has all of what `enqueue` always writes, and waits where it was made for.
local function is_whole(value, queue)
  return value[1] == 'queued' and value[2] and value[3] and value[4] == queue and value[5] and value[6] and value[7] and value[8]
end

-- Starts a job that has nothing but the first ten of these fields; in three quarters of the time. False if it is no such job.
local function start_plain(id, queue)
  local key = job_key(id)
  local value = redis.pcall('HMGET', key, 'status', 'lullaby_n', 'data', 'origin', 'created_at', 'enqueued_at', 'timeout', 'description',
    'result_ttl', 'lullaby_due')
  if not is_whole(value, queue) or call('HLEN', key) ~= 8 + (value[9] and 1 or 0) + (value[10] and 1 or 0) then return false end
  value[1], value[2] = id, mark_started(id, key, queue, '=')
  answer[#answer + 1] = value
  return true
end

local function tell_started(job, token)
  tell(job, 'job.started', job.subject and text('worker', worker) .. number('token', tonumber(token)))
end

-- Starts a job that has nothing but these fields.
local function start_followed(id, queue)
  local key = job_key(id)
  local value = redis.pcall('HMGET', key, unpack(FOLLOWED))
  local task, subject = value[17], value[18]
  if not is_whole(value, queue) or subject == '' then return false end
  local has = 8
  for i = 9, #FOLLOWED do
    if value[i] then has = has + 1 end
  end
  if call('HLEN', key) ~= has then return false end
  local token = mark_started(id, key, queue, subject and '~' or '=')
  if subject then tell_started({ id = id, subject = subject, task = task }, token) end
  value[1], value[2] = id, token
  answer[#answer + 1] = value
  return true
end

-- Jobs that come together are of one kind, most often: what the last one was like is tried first.
local start_alike = start_plain

local function start(id, queue)
  if start_alike(id, queue) then return end
  local key = job_key(id)
  local hash = redis.pcall('HGETALL', key)
  if hash.err then return put_aside(id, 'its key is no hash', 'the queue ' .. queue) end
  local status, origin, n, has_data, found
  for i = 1, #hash, 2 do
    local name = hash[i]
    if name == 'status' then status = hash[i + 1]
    elseif name == 'origin' then origin = hash[i + 1]
    elseif name == 'lullaby_n' then n = hash[i + 1]
    elseif name == 'data' then has_data = true
    elseif MARKS[name] then
      found = found or {}
      found[name] = hash[i + 1]
    end
  end
  -- No hash: its ttl is over, or it was deleted. Another status: it stands somewhere else, too, and belongs there.
  if #hash == 0 or (status and status ~= 'queued') then return end
  start_alike = found and found.lullaby_subject and start_followed or start_plain
  local mark, job = '=', found and { id = id, key = key, n = n or '0', queue = queue }
  if found then mark = prepare(job, found) end
  if not mark then return end
  -- What has a number of ours came in by `JobId`, which has RQ's rule.
  local unfit = not n and not is_rq_id(id) and 'its id has other characters than letters, digits, - and _'
    or not has_data and 'its hash has no data'
  if unfit then
    put_aside(id, unfit, 'the queue ' .. queue)
    if job then free_slot(job) end
    return
  end
  if found then
    -- Python requeued it since somebody asked to stop it, and knows nothing of that.
    if found.lullaby_stop and found.started_at == '' then call('HDEL', key, 'lullaby_stop') end
    -- Redis' own expiry is set on jobs with a ttl, and on those that have ended before.
    if real_time and (job.expires or found.ttl or found.ended_at) then call('PERSIST', key) end
    if job.expires then forget_expiry(job) end
    if found.lullaby_lease then call('HDEL', key, 'lullaby_lease') end
  end
  local token = mark_started(id, key, queue, mark)
  -- Somebody pushed it into another queue than it was made for: it settles where it was found.
  if origin ~= queue then
    call('HSET', key, 'origin', queue)
    hash[#hash + 1] = 'origin'
    hash[#hash + 1] = queue
  end
  if found then
    tell_started(job, token)
    if limit_of(job) then show_execution({ id = id, key = key, worker = worker }, token) end
  end
  answer[#answer + 1] = { id, token, hash, mark }
end

local function take_front(queue)
  while #answer <= max do
    local ids = call('LPOP', queue_key(queue), max + 1 - #answer)
    if not ids then return end
    reserve_tokens(#ids)
    for _, id in ipairs(ids) do start(id, queue) end
  end
end

-- What is left alone stays in its place: a list that is written to wakes everybody who listens, and this process would ask at once again.
local function take_others(queue)
  local key, first = queue_key(queue), 0
  while #answer <= max and first < SCAN do
    local ids = call('LRANGE', key, first, first + 999)
    for _, id in ipairs(ids) do
      if avoided[id] then
        first = first + 1
      elseif #answer <= max then
        call('LREM', key, 1, id)
        start(id, queue)
      end
    end
    if #ids < 1000 then return end
  end
end

for q = 10, 9 + queues do
  if avoids then take_others(ARGV[q]) else take_front(ARGV[q]) end
end
publish()
return cmsgpack.pack(answer)
