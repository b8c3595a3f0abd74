-- ARGV: …, T, S, the configuration in which this server joined the slot.
local t, s = numbers(floor)
local next_t, next_s = tonumber(ARGV[3]), tonumber(ARGV[4])
if next_t < t or (next_t == t and next_s < s) then return {'STALE', floor} end
if next_t == t and next_s == s then return {'DUP', high, forgotten} end
redis.call('HSET', KEYS[1], 's' .. slot, ARGV[3] .. ':' .. ARGV[4], 'h' .. slot, '0')
-- A floor from before it was a member says nothing of what it has missed since.
if math.floor(t / 65536) < tonumber(ARGV[5]) then
  redis.call('HDEL', KEYS[1], 'g' .. slot)
  forgotten = '0:0:0'
end
return {'OK', high, forgotten}
