-- Unfenced. KEYS[1] inbox · ARGV[1] consumer group · ARGV[2] entry. The entry is delivered and leaves the inbox.
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
