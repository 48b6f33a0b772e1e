-- KEYS done, steering; ARGV words, seconds. A command's words wait for the run once, however often it is performed.
if redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[2]) then redis.call('RPUSH', KEYS[2], ARGV[1]) end
return 1
