-- trim: removes the beginning of a stream, a bounded number of entries a call.
-- Removes the entries before an id: whole nodes first, of which the engine removes about 10,000 entries a command, then what is left
-- of one node. Returns how many, and whether there may be more.
-- gives: trim
-- reads: call
local function trim(key, before)
  local removed = 0
  for _ = 1, TRIMS_MAX do
    local some = call('XTRIM', key, 'MINID', '~', before)
    if some == 0 then return removed + call('XTRIM', key, 'MINID', before), false end
    removed = removed + some
  end
  return removed, true
end
