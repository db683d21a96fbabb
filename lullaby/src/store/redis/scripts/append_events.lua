-- Appends events of the application.
--
-- ARGV[6..]  four for each: subject, job or empty, kind, data as JSON; at most 1,000
-- Answer     their ids
local ids = {}
for i = 6, #ARGV, 4 do
  ids[#ids + 1] = append_event(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
end
publish()
return ids
