-- Shared by enqueue_job.lua and run_entry.lua: whom a job waits for that is about to be taken in.

-- Whether one of these, or one that it waits for in turn, is `id`.
local function leads_to(ids, id)
  local ahead, seen = { unpack(ids) }, {}
  while #ahead > 0 do
    local one = table.remove(ahead)
    if one == id then return true end
    if not seen[one] then
      seen[one] = true
      if call('HGET', job_key(one), 'status') == 'deferred' then
        for _, parent in ipairs(call('SMEMBERS', dependencies_key(one))) do ahead[#ahead + 1] = parent end
      end
    end
  end
  return false
end

-- Whether one of these keeps a job waiting.
local function any_unmet(ids, allows_failure)
  for _, id in ipairs(ids) do
    if not is_met(call('HGET', job_key(id), 'status'), allows_failure) then return true end
  end
  return false
end

local function defer(job, parents)
  know_queue(job.queue)
  call('HSET', job.key, 'status', 'deferred')
  call('ZADD', rq .. 'deferred:' .. job.queue, now / 1000, job.id)
  for _, parent in ipairs(parents) do
    call('SADD', dependents_key(parent), job.id)
    call('SADD', dependencies_key(job.id), parent)
  end
end
