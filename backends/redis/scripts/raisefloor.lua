-- ARGV: …, T, S, the floor's T, S, C.
if floor ~= ARGV[3] .. ':' .. ARGV[4] then return {'STALE', floor} end
local t, s, c = numbers(forgotten)
local next_floor = ARGV[5] .. ':' .. ARGV[6] .. ':' .. ARGV[7]
if below(t, s, c, next_floor) then redis.call('HSET', KEYS[1], 'g' .. slot, next_floor) end
return {'OK'}
