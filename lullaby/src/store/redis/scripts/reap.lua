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

local function reap(each)
  local job = load(member_id(each))
  local token = job and token_of(job)
  if not token then
    -- A Python cleanup or worker took it; the lease is all that is left of ours.
    call('ZREM', own .. 'leases', each)
    return
  end
  leave_wip(job, token)
  call('ZREM', own .. 'leases', each)
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
    enter_queue(job, true)
  end
end

-- As Job.get_retry_interval: the list is aligned with the last tries.
local function pause_before_retry(job, left)
  local read, list = pcall(cjson.decode, call('HGET', job.key, 'retry_intervals') or '[]')
  if not read or type(list) ~= 'table' then return 0 end
  return 1000 * math.max(0, tonumber(list[math.max(#list - left, 0) + 1]) or 0)
end

local function rescue(queue, each)
  -- RQ 1 had bare ids.
  local id, execution = string.match(each, '^([^:]+):?([^:]*)$')
  if not id then
    call('ZREM', rq .. 'wip:' .. queue, each)
    return put_aside(each, 'no job and execution', 'the started jobs of the queue ' .. queue)
  end
  local job = load(id)
  local token = job and token_of(job)
  if token and execution == execution_id(token) and (job.lease or 0) > now then return end
  call('ZREM', rq .. 'wip:' .. queue, each)
  call('ZREM', rq .. 'executions:' .. id, execution)
  if not job or job.status ~= 'started' then return end
  local left = tonumber(call('HGET', job.key, 'retries_left') or '') or 0
  if left > 0 then
    call('HSET', job.key, 'retries_left', int(left - 1))
    returned[#returned + 1] = id
    come_back(job, now + pause_before_retry(job, left))
  else
    failed[#failed + 1] = id
    job.more = execution
    fail(job, '0', 'abandoned: its worker stopped beating', ARGV[9])
  end
end

while limit > 0 do
  local members = call('ZRANGEBYSCORE', own .. 'leases', '-inf', int(now), 'LIMIT', 0, limit - #returned - #failed)
  if #members == 0 then break end
  for _, each in ipairs(members) do reap(each) end
  if #returned + #failed >= limit then break end
end
if #returned + #failed < limit then
  for _, key in ipairs(call('SMEMBERS', rq .. 'queues')) do
    local queue = string.sub(key, #rq + 7)
    local rest = limit - #returned - #failed
    if rest > 0 then
      for _, each in ipairs(call('ZRANGEBYSCORE', rq .. 'wip:' .. queue, '-inf', now / 1000, 'LIMIT', 0, rest)) do
        rescue(queue, each)
      end
    end
  end
end
local head = call('ZRANGE', own .. 'leases', 0, 0, 'WITHSCORES')
publish()
return { head[2] and int(tonumber(head[2])) or '', returned, failed }
