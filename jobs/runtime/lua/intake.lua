-- Unfenced. Puts a delivery into the inbox once, deduplicated by its content. Its id is not signed: it only detects a reuse.
-- KEYS[1] seen by id · KEYS[2] seen by content · KEYS[3] inbox
-- ARGV[1] milliseconds to keep the deduplication keys · ARGV[2..] fields and values of the inbox entry
-- Returns nil for a duplicate, 1 for a new delivery, 2 for a new one whose id was used with other content.
if redis.call('EXISTS', KEYS[2]) > 0 then
  return nil
end
if redis.call('XLEN', KEYS[3]) >= 20000 then  -- about 500 MB
  return redis.error_reply('INBOXFULL the inbox holds 20,000 deliveries: check that the clock process runs')
end
local reused = redis.call('EXISTS', KEYS[1])
local entry = redis.call('XADD', KEYS[3], '*', unpack(ARGV, 2))
redis.call('SET', KEYS[1], entry, 'PX', ARGV[1])
redis.call('SET', KEYS[2], entry, 'PX', ARGV[1])
return 1 + reused
