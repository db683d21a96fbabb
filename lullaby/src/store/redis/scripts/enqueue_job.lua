-- Shared by enqueue.lua and advance.lua: takes in one job that stands in ARGV from `i` on.
--
--   i      id
--   i + 1  when it is due in ms, or empty for now
--   i + 2  flags: f at the front, r replaces a job that waits, d depends on others (the last value is the JSON list of their ids),
--          a of which those that failed will do
--   i + 3  its queue
--   i + 4  its subject, or empty
--   i + 5  its task's name
--   i + 6  its ttl in ms, or empty
--   i + 7  how many strings follow: the hash's fields and values
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

local function enqueue_job(i)
  local id, at, flags = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local last = i + 7 + tonumber(ARGV[i + 7])
  local answer, n, created_at = 'c', nil, now_text
  local key = job_key(id)
  local parents = string.find(flags, 'd', 1, true) and cjson.decode(ARGV[last])
  local found = call('HMGET', key, 'status', 'created_at')
  if found[1] or found[2] then
    local old = load(id)
    local waits = old.status == 'queued' or old.status == 'scheduled' or old.status == 'deferred' or old.status == 'rate_limited'
    if not (waits and string.find(flags, 'r', 1, true)) then return 'e' .. old.status, last + 1 end
    if parents and leads_to(parents, id) then return 'o', last + 1 end
    leave(old)
    call('DEL', key, rq .. 'results:' .. id, dependencies_key(id))
    if old.subject then call('ZREM', own .. 'subject:' .. old.subject, id) end
    free_slot(old)
    answer, n, created_at = 'r', old.n, present(old.created_at) or now_text
  end
  n = n or take_number()
  local job = { id = id, key = key, n = n, queue = ARGV[i + 3], subject = present(ARGV[i + 4]), task = ARGV[i + 5],
    ttl = tonumber(ARGV[i + 6]), due = at }
  local front = string.find(flags, 'f', 1, true)
  if job.subject then call('ZADD', own .. 'subject:' .. job.subject, n, id) end
  if parents and any_unmet(parents, string.find(flags, 'a', 1, true)) then
    call('HSET', key, 'created_at', created_at, 'lullaby_n', n, unpack(ARGV, i + 8, last))
    if at then call('HSET', key, 'lullaby_due', int(at)) end
    tell(job, 'job.deferred', ',"depends_on":' .. ARGV[last])
    defer(job, parents)
  elseif at and at > now then
    call('HSET', key, 'status', 'scheduled', 'lullaby_due', int(at), 'created_at', created_at, 'lullaby_n', n,
      unpack(ARGV, i + 8, last))
    tell(job, 'job.scheduled', number('due', at))
    enter_scheduled(job, at)
  else
    know_queue(job.queue)
    call('HSET', key, 'status', 'queued', 'enqueued_at', now_text, 'created_at', created_at, 'lullaby_n', n,
      unpack(ARGV, i + 8, last))
    if at then call('HSET', key, 'lullaby_due', int(at)) end
    tell_queued(job)
    begin_ttl(job)
    enter_list(job, front)
  end
  return answer, last + 1
end
