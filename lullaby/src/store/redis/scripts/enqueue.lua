-- Takes jobs in: into their queue, or scheduled if their time is still to come.
--
-- ARGV[6..]  jobs, as enqueue_job.lua says; at most 1,000
-- Answer     one text for each job
local answers, i = {}, 6
while i <= #ARGV do
  answers[#answers + 1], i = enqueue_job(i)
end
publish()
return answers
