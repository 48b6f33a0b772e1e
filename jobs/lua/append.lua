-- KEYS lease, transcript; ARGV token, kind, data, milliseconds.
return redis.call('XADD', KEYS[2], '*', 'kind', ARGV[2], 'data', ARGV[3])
