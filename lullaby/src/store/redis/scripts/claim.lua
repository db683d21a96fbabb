-- Takes jobs from the front of queues: owner and lease are written with it.
--
-- ARGV[6]    the worker's name
-- ARGV[7]    the lease in ms
-- ARGV[8]    the most jobs, at most 1,000
-- ARGV[9]    how many queues follow, in the order of preference
-- ...        the queues, then ids that this process leaves alone for a while
-- Answer     now, then for each job { id, token, { field, value, ... } }: the hash as it was before
local worker, lease, max, queues = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local answer = { int(now) }
if max == 0 or (queues > 0 and call('EXISTS', rq .. 'suspended') == 1) then return answer end
local avoided, avoids = {}, #ARGV >= 10 + queues
for i = 10 + queues, #ARGV do avoided[ARGV[i]] = true end
local lease_until = after(lease)
local lease_text = int(lease_until)
-- RQ's deadline: always well ahead of ours, so that no Python cleanup takes a running job.
local wip = string.format('%.3f', math.max(now + 120000, lease_until + 30000) / 1000)

-- Fields that few jobs have and that matter again when it is settled: noted in `lullaby_run`.
local MORE = { repeats_left = true, lullaby_on_success = true, lullaby_on_failure = true, lullaby_on_stopped = true,
  success_callback_name = true, failure_callback_name = true, stopped_callback_name = true, rate_limit_key = true }

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

local function start(id, queue)
  local key = job_key(id)
  local hash = redis.pcall('HGETALL', key)
  if hash.err then return put_aside(id, 'its key is no hash', 'the queue ' .. queue) end
  local job = { id = id, key = key, n = '0', queue = queue }
  local status, origin, expires, data, may_expire, stop, saved_anew, more
  for i = 1, #hash, 2 do
    local name, value = hash[i], hash[i + 1]
    if name == 'status' then status = value
    elseif name == 'origin' then origin = value
    elseif name == 'data' then data = value
    elseif name == 'lullaby_n' then job.n = value
    elseif name == 'lullaby_expires' then expires = present(value)
    elseif name == 'lullaby_subject' then job.subject = present(value)
    elseif name == 'lullaby_task' then job.task = value
    elseif name == 'ttl' or name == 'ended_at' then may_expire = true
    elseif name == 'lullaby_stop' then stop = true
    elseif name == 'started_at' then saved_anew = value == ''
    elseif MORE[name] and value ~= '' then more = ' +'
    end
  end
  -- No hash: its ttl is over, or it was deleted. Another status: it stands somewhere else, too, and belongs there.
  if #hash == 0 or (status and status ~= 'queued') then return end
  job.expires, job.more = expires, more
  if expires and tonumber(expires) <= now then
    tell(job, 'job.expired')
    forget_expiry(job)
    return drop(job)
  end
  local unfit = not is_rq_id(id) and 'its id has other characters than letters, digits, - and _' or not data and 'its hash has no data'
  if unfit then
    put_aside(id, unfit, 'the queue ' .. queue)
    return free_slot(job)
  end
  -- Python requeued it since somebody asked to stop it, and knows nothing of that.
  if stop and saved_anew then call('HDEL', key, 'lullaby_stop') end
  local token = take_token()
  if expires then forget_expiry(job) end
  -- Redis' own expiry is set on jobs with a ttl, and on those that have ended before.
  if real_time and (expires or may_expire) then call('PERSIST', key) end
  call('HSET', key, 'status', 'started', 'started_at', now_text, 'worker_name', worker,
    'lullaby_run', token .. ' ' .. now_text .. (more or ''), 'lullaby_lease', lease_text)
  -- Somebody pushed it into another queue than it was made for: it settles where it was found.
  if origin ~= queue then call('HSET', key, 'origin', queue) end
  add(rq .. 'wip:' .. queue, wip, id .. ':' .. execution_id(token))
  add(own .. 'leases', lease_text, member(job.n, id))
  if job.subject then tell(job, 'job.started', text('worker', worker) .. number('token', tonumber(token))) end
  if more and limit_of(job) then show_execution({ id = id, key = key, worker = worker }, token) end
  hash[#hash + 1], hash[#hash + 2] = 'origin', queue
  answer[#answer + 1] = { id, token, hash }
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
return answer
