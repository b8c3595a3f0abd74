-- ARGV: …, T, S, C, form (D deleted, S string, R dump), type, expiry, recorded reply, payload.
local text = 'a' .. version .. '|' .. ARGV[7] .. '|' .. ARGV[8] .. '|' .. ARGV[9]
if ARGV[6] == 'S' then
  redis.call('MSET', KEYS[3], ARGV[10], KEYS[2], text)
else
  if ARGV[6] == 'D' then
    redis.call('DEL', KEYS[3])  -- first: a delete needs no memory
  else
    local restored = redis.pcall('RESTORE', KEYS[3], '0', ARGV[10], 'REPLACE')
    if restored.err then return {'ERR', restored.err} end
  end
  redis.call('SET', KEYS[2], text)
end
raise_high_water()
return {'OK'}
