-- Before full, delta and run: may this version be written here? ARGV: …, T, S, C.
local term = ARGV[3] .. ':' .. ARGV[4]
if floor ~= term then return {'STALE', floor} end  -- equality: a higher term is installed first
local version = term .. ':' .. ARGV[5]
local counter = tonumber(ARGV[5])
local meta = redis.call('GET', KEYS[2])
local current, kind = '0:0:0', '-'
if meta then
  current, kind = string.match(meta, '^a([%d:]+)|(.)')
  if current == version then return {'DUP', meta} end
  if below(tonumber(ARGV[3]), tonumber(ARGV[4]), counter, current) then return {'OLD', current} end
else
  -- Blank: only what is newer than all that was here and is forgotten.
  if counter <= tonumber(high) then return {'OLDSEQ', high} end
  if below(tonumber(ARGV[3]), tonumber(ARGV[4]), counter, forgotten) then
    return {'OLD', forgotten}
  end
end
local function raise_high_water()
  if counter > tonumber(high) then redis.call('HSET', KEYS[1], 'h' .. slot, ARGV[5]) end
end
