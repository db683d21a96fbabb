-- Returns what Python's workers lost between taking a job and starting it: ids in RQ's intermediate lists, and ids in no list at all, which
-- workers of several queues leave behind (they take by BLPOP). Each is seen to be so twice, 45 s apart, before it is moved: a worker that
-- starts a job slowly is left its time. Executions of ours that somebody took off RQ's registry stand there again, with a lease from now on.
-- On its way it drops the lists of subjects whose events are all gone.
--
-- ARGV[6]  where the walk over all jobs goes on, "0" at first
-- ARGV[7]  how many keys to walk over
-- Answer   where the walk goes on, the ids returned
local PATIENCE = 45000
local seen_key, returned, seen_now = own .. 'stranded', {}, {}

-- Whether it was seen stranded long ago; notes it if it was not.
local function is_stranded(id)
  local seen = tonumber(call('HGET', seen_key, id) or '')
  if not seen then
    call('HSET', seen_key, id, int(now))
    return false
  end
  return now - seen >= PATIENCE
end

local started = {}
-- Whether some worker has begun with it: then the registry of started jobs has it.
local function has_begun(id, queue)
  if not started[queue] then
    started[queue] = {}
    for _, each in ipairs(call('ZRANGE', rq .. 'wip:' .. queue, 0, -1)) do
      started[queue][string.match(each, '^[^:]*')] = true
    end
  end
  return started[queue][id]
end

local function put_back(job)
  call('HDEL', seen_key, job.id)
  returned[#returned + 1] = job.id
  tell(job, 'job.returned', text('worker', job.worker))
  enter_queue(job, true)
end

local function in_line(job) return call('LPOS', rq .. 'queue:' .. job.queue, job.id) end

for _, key in ipairs(call('SMEMBERS', rq .. 'queues')) do
  local queue = string.sub(key, #rq + 7)
  local middle = key .. ':intermediate'
  for _, id in ipairs(call('LRANGE', middle, 0, 999)) do
    local job = load(id)
    if not job or job.status ~= 'queued' then
      -- Begun, ended or deleted: what is left is a leftover, unless it is just about to go.
      if is_stranded(id) and not has_begun(id, queue) then
        call('LREM', middle, 1, id)
        call('HDEL', seen_key, id)
      end
    elseif is_stranded(id) and not has_begun(id, queue) then
      call('LREM', middle, 1, id)
      if in_line(job) then call('HDEL', seen_key, id) else put_back(job) end
    end
    seen_now[id] = true
  end
end

-- A job that is older than the head of its queue and is not in line has been taken out. Without that look at the head every job in a long
-- queue would have to be searched for.
local heads = {}
local function came_before_head(queue, enqueued_at)
  if heads[queue] == nil then
    local head = call('LINDEX', rq .. 'queue:' .. queue, 0)
    heads[queue] = head and (call('HGET', job_key(head), 'enqueued_at') or '') or false
  end
  return heads[queue] == false or enqueued_at < heads[queue]
end

local function hold_again(job)
  local token = token_of(job)
  if not token or call('ZSCORE', rq .. 'wip:' .. job.queue, wip_member(job.id, token)) then return end
  local lease_until = after(tonumber(string.match(job.run, '%d+$')))
  add(rq .. 'wip:' .. job.queue, wip_score(lease_until), wip_member(job.id, token))
end

local walk = call('SCAN', ARGV[6], 'MATCH', rq .. 'job:*', 'COUNT', ARGV[7], 'TYPE', 'hash')
local searches = 0
for _, key in ipairs(walk[2]) do
  local value = call('HMGET', key, 'status', 'origin', 'enqueued_at', 'data')
  local id = string.sub(key, #rq + 5)
  if value[1] == 'started' then
    hold_again(load(id))
  elseif value[1] == 'queued' and value[4] and present(value[2]) and not seen_now[id] and searches < 100
    and came_before_head(value[2], value[3] or '') then
    local job = load(id)
    searches = searches + 1
    if in_line(job) or has_begun(id, job.queue) then
      call('HDEL', seen_key, id)
    elseif is_stranded(id) then
      put_back(job)
    end
  end
end

-- Subjects of whom no event is left. A walk of the same keys comes to the same place.
local subjects = call('SCAN', ARGV[6], 'MATCH', own .. 'events:*', 'COUNT', ARGV[7], 'TYPE', 'list')[2]
local oldest = #subjects > 0 and oldest_event() or 0
for _, key in ipairs(subjects) do
  if tonumber(call('LINDEX', key, -1)) < oldest then delete(key) end
end
publish()
return { walk[1], returned }
