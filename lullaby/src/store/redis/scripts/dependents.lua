-- Shared by settle.lua: children that waited for a job go from deferred to their queue in the step that ends it.

local function is_met(child, parent)
  local status = call('HGET', job_key(parent), 'status')
  return not status or status == 'finished'
    or (status == 'failed' and call('HGET', job_key(child), 'allow_dependency_failures') == '1')
end

local function release_dependents(job, finished)
  local key = job_key(job.id) .. ':dependents'
  if call('EXISTS', key) == 0 then return end
  -- RQ reads them all at once, too; a set of more than this is released in part now, in part when it is looked at again.
  for _, id in ipairs(call('SRANDMEMBER', key, 1000)) do
    local child = load(id)
    local allows = child and (finished or call('HGET', child.key, 'allow_dependency_failures') == '1')
    if not child or child.status ~= 'deferred' then
      call('SREM', key, id)
    elseif allows then
      local met = true
      for _, parent in ipairs(call('SMEMBERS', rq .. 'job::' .. id .. ':dependencies')) do
        if parent ~= job.id and not is_met(id, parent) then met = false break end
      end
      if met then
        call('SREM', key, id)
        leave(child)
        tell_queued(child)
        enter_queue(child, child.at_front)
      end
    end
  end
end
