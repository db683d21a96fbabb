-- A scheduler of ours ends. The last one deletes every lock that is ours, so that Python's schedulers need not wait for them to lapse.
--
-- ARGV[6]  this scheduler
-- ARGV[7]  rq:scheduler_lock, or empty
-- Answer   how many of ours are left
call('ZREM', own .. 'schedulers', ARGV[6])
call('ZREMRANGEBYSCORE', own .. 'schedulers', '-inf', int(now))
local left = call('ZCARD', own .. 'schedulers')
if left > 0 then return left end
local locks = ARGV[7] ~= '' and { ARGV[7] } or {}
for _, key in ipairs(call('SMEMBERS', rq .. 'queues')) do locks[#locks + 1] = rq .. 'scheduler-lock:' .. string.sub(key, #rq + 7) end
for _, key in ipairs(locks) do
  local holder = call('GET', key)
  if holder and string.sub(holder, 1, 7) == 'lullaby' then call('DEL', key) end
end
return 0
