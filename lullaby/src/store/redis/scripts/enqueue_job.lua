-- Shared by enqueue.lua and advance.lua: takes in one job that stands in ARGV from `i` on.
--
--   i      id
--   i + 1  its queue
--   i + 2  flags, of which most jobs have none: t has a time, s has a subject, l lives for a limited time, f at the front, r replaces a job
--          that waits, d depends on others (the last value is the JSON list of their ids), a of which those that failed will do, m has a
--          rate limit
--   i + 3  how many strings the hash's fields and values are
--   ...    with t when it is due in ms; with s its subject, its task's name; with l its ttl in ms
--   ...    the fields and values
--
-- Numbers of jobs are taken from the counter for as many as the script was given: `reserve_numbers` first.
-- Answers what became of it ("c" created, "r" replaced, "o" to be replaced by one that waits for itself, "e" and the status of the one
-- that exists) and where the next one begins.
local number_of_last, numbers_left = 0, 0
local function reserve_numbers(count)
  if count == 0 then return end
  number_of_last, numbers_left = call('INCRBY', own .. 'last_number', count) - count, count
end
local function take_number()
  if numbers_left == 0 then reserve_numbers(1) end
  number_of_last, numbers_left = number_of_last + 1, numbers_left - 1
  return int(number_of_last)
end

local function has(flags, flag) return flags ~= '' and string.find(flags, flag, 1, true) ~= nil end

local function enqueue_job(i)
  local id, key, flags, first = ARGV[i], job_key(ARGV[i]), ARGV[i + 2], i + 4
  local job = { id = id, key = key, queue = ARGV[i + 1] }
  if has(flags, 't') then job.due, first = tonumber(ARGV[first]), first + 1 end
  if has(flags, 's') then job.subject, job.task, first = ARGV[first], ARGV[first + 1], first + 2 end
  if has(flags, 'l') then job.ttl, first = tonumber(ARGV[first]), first + 1 end
  local last = first + tonumber(ARGV[i + 3]) - 1
  local answer, n, created_at = 'c', nil, now_text
  local parents = has(flags, 'd') and cjson.decode(ARGV[last])
  -- Most ids are new, and a look for the key alone is 1 us less than one into it.
  local old = call('EXISTS', key) == 1 and load(id)
  if old then
    local waits = old.status == 'queued' or old.status == 'scheduled' or old.status == 'deferred' or old.status == 'rate_limited'
      or old.status == 'ready_to_enqueue'
    if not (waits and has(flags, 'r')) then return 'e' .. old.status, last + 1 end
    if parents and leads_to(parents, id) then return 'o', last + 1 end
    leave(old)
    call('DEL', key, rq .. 'results:' .. id, dependencies_key(id))
    if old.subject then call('ZREM', own .. 'subject:' .. old.subject, id) end
    free_slot(old)
    answer, n, created_at = 'r', old.n, present(old.created_at) or now_text
  end
  n = n or take_number()
  job.n = n
  if job.subject then call('ZADD', own .. 'subject:' .. job.subject, n, id) end
  if parents and any_unmet(parents, has(flags, 'a')) then
    call('HSET', key, 'created_at', created_at, 'lullaby_n', n, unpack(ARGV, first, last))
    if job.due then call('HSET', key, 'lullaby_due', int(job.due)) end
    tell(job, 'job.deferred', ',"depends_on":' .. ARGV[last])
    defer(job, parents)
  elseif job.due and job.due > now then
    call('HSET', key, 'status', 'scheduled', 'lullaby_due', int(job.due), 'created_at', created_at, 'lullaby_n', n,
      unpack(ARGV, first, last))
    tell(job, 'job.scheduled', number('due', job.due))
    enter_scheduled(job, job.due)
  elseif has(flags, 'm') then
    call('HSET', key, 'created_at', created_at, 'lullaby_n', n, unpack(ARGV, first, last))
    if job.due then call('HSET', key, 'lullaby_due', int(job.due)) end
    job.limit, job.at_front = call('HGET', key, 'rate_limit_key'), has(flags, 'f')
    enter_queue_anew(job, job.at_front)
  else
    know_queue(job.queue)
    call('HSET', key, 'status', 'queued', 'enqueued_at', now_text, 'created_at', created_at, 'lullaby_n', n,
      unpack(ARGV, first, last))
    if job.due then call('HSET', key, 'lullaby_due', int(job.due)) end
    tell_queued(job)
    begin_ttl(job)
    enter_list(job, has(flags, 'f'))
  end
  return answer, last + 1
end
