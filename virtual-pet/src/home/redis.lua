-- Reads, takes in, saves and lets go of pets, for many callers at once. A pet's record is its version and its name, a line feed, and the pet as
-- JSON; it is saved by compare-and-set on the version.
--
-- KEYS     records by id, ids by name, names in order
-- ARGV[1]  how many; at most 1,000
-- ARGV[2.] for each: "load", id; "create", id, name, record; "save", id, name, record, the version expected; or "remove", id
-- Answer   for each: the record or "" ("load"), else "done", "taken" (another pet has the name), "gone", "conflict"
local call = redis.call
local records, ids, names = KEYS[1], KEYS[2], KEYS[3]
local WIDTH = { load = 2, create = 4, save = 5, remove = 2 }

-- Each record that somebody asks for, as it stands now; false if there is none. They are read and written together.
local now, written = {}, {}
local function read()
  local asked, i = {}, 2
  while i <= #ARGV do
    asked[#asked + 1] = ARGV[i + 1]
    i = i + WIDTH[ARGV[i]]
  end
  for n, record in ipairs(call('HMGET', records, unpack(asked))) do now[asked[n]] = record end
end
local function write()
  local fields = {}
  for id in pairs(written) do
    if now[id] then
      fields[#fields + 1] = id
      fields[#fields + 1] = now[id]
    end
  end
  if #fields > 0 then call('HSET', records, unpack(fields)) end
end

local function put(id, record)
  now[id], written[id] = record, true
  return 'done'
end

local function head(record) return string.match(record, '^(%d+) ([^\n]*)\n') end

local function take_name(id, name)
  if call('HSETNX', ids, name, id) == 0 then return false end
  call('ZADD', names, 0, name)
  return true
end

local function free_name(name)
  call('HDEL', ids, name)
  call('ZREM', names, name)
end

local act = {}

function act.load(id) return now[id] or '' end

function act.create(id, name, record)
  if not take_name(id, name) then return 'taken' end
  return put(id, record)
end

function act.save(id, name, record, expected)
  if not now[id] then return 'gone' end
  local version, old = head(now[id])
  if version ~= expected then return 'conflict' end
  if name ~= old then
    if not take_name(id, name) then return 'taken' end
    free_name(old)
  end
  return put(id, record)
end

function act.remove(id)
  if not now[id] then return 'gone' end
  local _, name = head(now[id])
  free_name(name)
  call('HDEL', records, id)
  return put(id, false)
end

read()
local answers, i = {}, 2
while i <= #ARGV do
  answers[#answers + 1] = act[ARGV[i]](ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
  i = i + WIDTH[ARGV[i]]
end
write()
return answers
