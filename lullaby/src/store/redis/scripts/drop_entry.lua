-- Takes out an entry of rq-scheduler whose job is gone: without a call it is none. (rq-scheduler writes the job before its entry, so it
-- does not come any more.)
--
-- ARGV[6]  rq:scheduler:scheduled_jobs    ARGV[7]  the job's id
-- Answer   how many were taken out
if call('HEXISTS', job_key(ARGV[7]), 'data') == 1 then return 0 end
call('DEL', own .. 'foreign:' .. ARGV[7])
return call('ZREM', ARGV[6], ARGV[7])
