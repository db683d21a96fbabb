-- Appends events of the application.
--
-- ARGV[6]    how many; at most 1,000
-- ARGV[7..]  four for each: subject, job or empty, kind, data as JSON
-- Answer     their ids
local ids = {}
for i = 7, #ARGV, 4 do
  ids[#ids + 1] = append_event(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
end
publish()
return ids
