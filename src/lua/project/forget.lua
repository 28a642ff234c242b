-- forget: removes what is older than the caller keeps it, entries of `changes` and `rejected`. Once a minute while there is work; the
-- last entry of `changes` always stays, so that the cursor of a snapshot proves itself. If it is too old, one without users follows it,
-- and it goes a minute later, when followers have read on.
-- gives: forget
-- reads: CHANGES ENDED REJECTED call change due format match more_fields now put t trim

-- Returns whether there is more.
local function forget()
  local tomb = call('ZRANGE', ENDED, 0, 0, 'WITHSCORES')
  if tomb[2] and tonumber(tomb[2]) <= now then return true end
  local keep_changes, keep_rejected = match(ARGV[9] or '', '^(%d+) (%d+)$')
  keep_changes, keep_rejected = tonumber(keep_changes or KEPT_MS), tonumber(keep_rejected or KEPT_MS)
  local at, changes, rejected, read = match(more_fields[11] or '', '^(%d+) (%d+) (%d+) ?(%S*)$')
  local blank = more_fields[12]
  -- The strictest of several callers decides: it does not take the trimming of another for its own.
  local is_done = at and tonumber(at) <= now and now - at < FORGET_MS
    and tonumber(changes) <= keep_changes and tonumber(rejected) <= keep_rejected
  if not is_done then
    local before, last = now - keep_changes, tonumber(match(change, '^%d+'))
    local from = format('%.0f', before)
    if before > last then
      from = change
      if last > 0 and change ~= blank then
        change = call('XADD', CHANGES, '*', 'trimmed', '')
        blank = change
        put('blank', change)
      end
    end
    local more
    if before > 0 then
      -- Followers had time to read what was the last entry then, but not what has come since: they still stand before it.
      if read and read ~= '' and read ~= from and tonumber(match(read, '^%d+')) <= tonumber(match(from, '^%d+')) then from = read end
      local removed, rest = trim(CHANGES, from)
      if removed > 0 then put('cut', from) end
      more = rest
    end
    if now > keep_rejected then
      local _, rest = trim(REJECTED, format('%.0f', now - keep_rejected))
      more = more or rest
    end
    if more then return true end
    put('trimmed', format('%.0f %.0f %.0f ', now, keep_changes, keep_rejected) .. change)
  end
  -- While a process is registered, calls come anyway.
  if due then return false end
  -- Nobody is left who could hold the turn, and the name of who held it last begins with its host.
  if (t[13] or '') ~= '' then put('turn', '') end
  local next_at = tomb[2] and tonumber(tomb[2])
  local function from_oldest(key, keep, except)
    local oldest = call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
    if not oldest or oldest[1] == except then return end
    local ends = match(oldest[1], '^%d+') + keep
    if not next_at or ends < next_at then next_at = ends end
  end
  from_oldest(CHANGES, keep_changes, blank)
  from_oldest(REJECTED, keep_rejected)
  -- Not sooner than the next level check: so the call that comes then is a careful one.
  put('forget', next_at and math.max(next_at, now + CHECK_IDLE_MS) or -1)
  return false
end
