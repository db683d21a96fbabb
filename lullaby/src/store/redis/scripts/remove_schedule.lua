-- Removes a schedule with its ledger; its jobs stay.
--
-- ARGV[6]  its name
-- ARGV[7]  its id, or empty for whichever has the name
-- Answer   1 removed, 0 there is none
local state = call('HGET', own .. 'schedules:state', ARGV[6])
if not state then return 0 end
local id = id_of(state)
if ARGV[7] ~= '' and ARGV[7] ~= id then return 0 end
call('HDEL', own .. 'schedules:state', ARGV[6])
call('HDEL', own .. 'schedules', ARGV[6])
call('ZREM', own .. 'schedules:next', ARGV[6])
call('HDEL', own .. 'schedules:behind', ARGV[6])
call('DEL', own .. 'ledger:' .. id)
return 1
