-- Takes in, saves or lets go of a pet, by compare-and-set on its version.
--
-- KEYS    records, versions, ids by name, names in order
-- ARGV    "create", "save" or "remove"; id, name, version, record, the version expected (save alone)
-- Answer  "done", "taken" (another pet has the name), "gone", "conflict"
local call = redis.call
local records, versions, ids, names = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local what, id, name = ARGV[1], ARGV[2], ARGV[3]

-- The name under which a pet is kept now.
local function name_of()
  return call('HGET', versions, 'name:' .. id)
end

if what == 'remove' then
  if call('HDEL', records, id) == 0 then return 'gone' end
  local old = name_of()
  call('HDEL', versions, id, 'name:' .. id)
  call('HDEL', ids, old)
  call('ZREM', names, old)
  return 'done'
end

if what == 'save' then
  local version = call('HGET', versions, id)
  if not version then return 'gone' end
  if version ~= ARGV[6] then return 'conflict' end
end
local holder = call('HGET', ids, name)
if holder and (holder ~= id or what == 'create') then return 'taken' end
call('HSET', records, id, ARGV[5])
call('HSET', versions, id, ARGV[4])
local old = name_of()
if old ~= name then
  if old then
    call('HDEL', ids, old)
    call('ZREM', names, old)
  end
  call('HSET', versions, 'name:' .. id, name)
  call('HSET', ids, name, id)
  call('ZADD', names, 0, name)
end
return 'done'
