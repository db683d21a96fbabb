-- Says that a scheduler of ours is at work, and holds the locks that keep Python's schedulers out of a round for as long as it is.
--
-- A lock whose value begins with "lullaby" is every live scheduler's of ours, so that a successor goes on at once where another died.
--
-- ARGV[6]  this scheduler                  ARGV[7]  for how many seconds it counts as live
-- ARGV[8]  rq:scheduler_lock, or empty     ARGV[9]  whether to hold it: 1, or 0 to let go of it
-- ARGV[10…] the queues whose lock it holds, at most 1,000; none means all there are
-- Answer   "ours", "python's" or "free": how rq-scheduler's lock stands
local me, ttl = ARGV[6], tonumber(ARGV[7])
call('ZADD', own .. 'schedulers', int(now + ttl * 1000), me)

-- Whether a lock is ours by now.
local function hold(key)
  local holder = call('GET', key)
  if holder and string.sub(holder, 1, 7) ~= 'lullaby' then return false end
  call('SET', key, holder or me, 'EX', ttl)
  return true
end

local queues = {}
for i = 10, #ARGV do queues[#queues + 1] = ARGV[i] end
if #queues == 0 then
  for _, key in ipairs(call('SMEMBERS', rq .. 'queues')) do queues[#queues + 1] = string.sub(key, #rq + 7) end
end
for _, queue in ipairs(queues) do hold(rq .. 'scheduler-lock:' .. queue) end

if ARGV[8] == '' then return 'free' end
if ARGV[9] == '1' then return hold(ARGV[8]) and 'ours' or "python's" end
local holder = call('GET', ARGV[8])
if not holder then return 'free' end
if string.sub(holder, 1, 7) ~= 'lullaby' then return "python's" end
call('DEL', ARGV[8])
return 'free'
