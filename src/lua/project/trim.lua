-- trim: removes the beginning of a stream, a bounded part a call: freeing large entries takes about 1 ms a megabyte.
-- gives: most_of trim
-- reads: call try

-- About how many entries of a stream one call may remove, by their size.
local function most_of(key, length)
  local weight, limit = try('MEMORY', 'USAGE', key), TRIM_MAX
  if type(weight) == 'number' and weight > 0 then limit = math.floor(TRIM_BYTES * length / weight) end
  return math.max(100, math.min(TRIM_MAX, limit))
end

-- Removes the entries before an id: whole nodes first, of which each has at most 100 entries unless Redis is set otherwise, then what
-- is left of one node. Returns how many, and whether there may be more.
local function trim(key, before)
  -- Mostly there is nothing: then two commands do.
  local removed = call('XTRIM', key, 'MINID', '~', before, 'LIMIT', 100)
  if removed == 0 then return call('XTRIM', key, 'MINID', before), false end
  removed = removed + call('XTRIM', key, 'MINID', '~', before, 'LIMIT', most_of(key, call('XLEN', key)))
  -- Where that was all, the rest is within a node.
  local more = call('XTRIM', key, 'MINID', '~', before, 'LIMIT', 100)
  if more > 0 then return removed + more, true end
  return removed + call('XTRIM', key, 'MINID', before), false
end
