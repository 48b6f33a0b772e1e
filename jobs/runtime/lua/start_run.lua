-- Unfenced. KEYS run, runs, runs of the ticket; ARGV spec, run id, started at. Idempotent: a finished run is not restarted.
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[2])
if redis.call('SET', KEYS[1], ARGV[1], 'NX') then redis.call('SADD', KEYS[2], ARGV[2]) end
return 1
