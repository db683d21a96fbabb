-- Returns jobs whose lease is over to the front of their queues; those lost too often fail. After ours, Python's: an execution past RQ's
-- own deadline gets RQ's rule.
--
-- ARGV[6]  the most jobs, at most 1,000
-- ARGV[7]  how many losses make a job poison
-- ARGV[8]  exc_string for poison
-- ARGV[9]  exc_string for an execution of Python's that was abandoned
-- Answer   when the next lease ends in ms or empty, the ids returned, the ids failed
local limit, poison = tonumber(ARGV[6]), tonumber(ARGV[7])
local returned, failed = {}, {}
local function left() return limit - #returned - #failed end

-- Executions of ours whose lease is over, those of Python's past their deadline, and the first lease that still holds, or that was left
-- for another call.
local lost, abandoned, next_lease = {}, {}, nil
local function hold(lease)
  if not next_lease or lease < next_lease then next_lease = lease end
end

-- Ours have numbers of at most 14 digits, which leaves 18 zeros in front; Python's are random, and the 13th of them is always a 4.
local function is_ours(execution) return string.sub(execution, 1, 18) == '000000000000000000' end

-- The first in a registry of what is under way. Ours and Python's stand there in one order, but with deadlines of two kinds.
local function look(queue)
  local key, first, found, last = rq .. 'wip:' .. queue, 0, 0, nil
  repeat
    local page = call('ZRANGE', key, first, first + 999, 'WITHSCORES')
    for i = 1, #page, 2 do
      -- RQ 1 had bare ids.
      local id, execution = string.match(page[i], '^([^:]+):?([^:]*)$')
      local at = tonumber(page[i + 1]) * 1000
      local each = { queue = queue, member = page[i], id = id, execution = execution }
      if not id or not is_ours(execution) then
        if at <= now then abandoned[#abandoned + 1] = each end
      else
        each.lease = math.floor(at + 0.5) - MARGIN
        -- Of one instant all are needed: those that were made first come back first.
        if each.lease > now or limit == 0 or (found >= limit and each.lease ~= last) then return hold(each.lease) end
        found, last = found + 1, each.lease
        lost[#lost + 1] = each
      end
    end
    first = first + 1000
  until #page < 2000 or #abandoned >= 1000
end

local function reap(each)
  local job, token = each.job, each.token
  leave_wip(job, token)
  forget_beat(job, token)
  job.lost = job.lost + 1
  call('HSET', job.key, 'lullaby_lost', int(job.lost))
  if job.lost >= poison then
    failed[#failed + 1] = job.id
    fail(job, token, 'lost with its worker ' .. int(job.lost) .. ' times, so it may be what ends them; once that is mended, `lullaby requeue '
      .. job.id .. '` runs it again', ARGV[8])
  else
    returned[#returned + 1] = job.id
    tell(job, 'job.lost', text('worker', job.worker) .. number('lost', job.lost))
    keep_attempt(job, token, 'lost')
    enter_queue(job, true)
  end
end

-- As Job.get_retry_interval: the list is aligned with the last tries.
local function pause_before_retry(job, left)
  local read, list = pcall(cjson.decode, call('HGET', job.key, 'retry_intervals') or '[]')
  if not read or type(list) ~= 'table' then return 0 end
  return 1000 * math.max(0, tonumber(list[math.max(#list - left, 0) + 1]) or 0)
end

local function rescue(each)
  call('ZREM', rq .. 'wip:' .. each.queue, each.member)
  local id = each.id
  if not id then return put_aside(each.member, 'no job and execution', 'the started jobs of the queue ' .. each.queue) end
  local job = load(id)
  call('ZREM', rq .. 'executions:' .. id, each.execution)
  if not job or job.status ~= 'started' then return end
  local left = tonumber(call('HGET', job.key, 'retries_left') or '') or 0
  if left > 0 then
    call('HSET', job.key, 'retries_left', int(left - 1))
    returned[#returned + 1] = id
    keep_attempt(job, nil, 'lost')
    come_back(job, now + pause_before_retry(job, left))
  else
    failed[#failed + 1] = id
    job.more = each.execution
    fail(job, '0', 'abandoned: its worker stopped beating', ARGV[9])
  end
end

for _, key in ipairs(call('SUNION', rq .. 'queues', own .. 'queues')) do look(string.sub(key, #rq + 7)) end

-- Of ours, those that still are what they were: the longest lost first, and of one instant as they were made.
local ours = {}
for _, each in ipairs(lost) do
  each.job = load(each.id)
  each.token = each.job and token_of(each.job)
  if each.token and execution_id(each.token) == each.execution then
    ours[#ours + 1] = each
  else
    -- A Python cleanup or worker took it; the lease is all that is left of ours.
    call('ZREM', rq .. 'wip:' .. each.queue, each.member)
  end
end
table.sort(ours, function(one, other)
  if one.lease ~= other.lease then return one.lease < other.lease end
  return tonumber(one.job.n) < tonumber(other.job.n)
end)
for _, each in ipairs(ours) do
  if left() > 0 then reap(each) else hold(each.lease) end
end
for _, each in ipairs(abandoned) do
  if left() > 0 then rescue(each) end
end
publish()
return { next_lease and int(next_lease) or '', returned, failed }
