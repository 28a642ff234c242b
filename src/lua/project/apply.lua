function(v, slot, step)
  -- `v` with one socket more or fewer on a slot; false: none is left; nil: there was none to remove.
  local out, c, found = {}, 0, false
  for one in string.gmatch(v, '[^,]+') do
    local s, k = match(one, '^(%d+)%*?(%d*)$')
    k = k == '' and 1 or tonumber(k)
    if s == slot then
      found = true
      k = k + step
    end
    if k > 0 then
      c = c + 1
      out[c] = k == 1 and s or s .. '*' .. format('%.0f', k)
    end
  end
  if not found then
    if step < 0 then return nil end
    c = c + 1
    out[c] = slot
  end
  return c > 0 and table.concat(out, ',')
end
