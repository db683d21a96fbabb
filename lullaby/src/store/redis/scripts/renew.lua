-- Extends leases, and RQ's own deadline with them. From its first renewal on an execution has the keys that RQ's tools look at.
--
-- ARGV[6]    the lease in ms
-- ARGV[7..]  for each: id, token, "p" if its call is a pickle, else empty; at most 1,000
-- Answer     1 renewed, 2 renewed and somebody asked to stop it, 0 taken over
local answers, lease_until = {}, after(tonumber(ARGV[6]))

for i = 7, #ARGV, 3 do
  local id, token = ARGV[i], ARGV[i + 1]
  local job = load(id)
  if job and token_of(job) == token then
    -- It is plain no longer: `settle` has those keys to take away.
    local run = string.gsub(job.run, ' [=~] ', ' - ', 1)
    call('HSET', job.key, 'lullaby_lease', int(lease_until), 'lullaby_run', run)
    add(rq .. 'wip:' .. job.queue, wip_score(lease_until), wip_member(id, token))
    show_execution(job, token, ARGV[i + 2] == 'p')
    answers[#answers + 1] = call('HGET', job.key, 'lullaby_stop') == '1' and 2 or 1
  else
    leave_taken_over(id, token)
    answers[#answers + 1] = 0
  end
end
publish()
return answers
