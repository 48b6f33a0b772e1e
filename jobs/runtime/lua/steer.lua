-- Unfenced. KEYS done, steering; ARGV guidance, seconds. Idempotent: a command's guidance is queued for the run once.
if redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[2]) then redis.call('RPUSH', KEYS[2], ARGV[1]) end
return 1
