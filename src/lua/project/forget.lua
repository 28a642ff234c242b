-- forget: removes what is older than the caller keeps it, entries of `changes` and `rejected`. Once a minute while there is work; the
-- last entry of `changes` always stays, so that the cursor of a snapshot proves itself. If it is too old, one without users follows it,
-- and it goes a minute later, when followers have read on. The same for a number of entries below the default: of a higher one XADD
-- takes care.
-- gives: fade forget forget_subscribers subscribers thin
-- reads: CHANGES ENDED RECORDS REJECTED call change due format match more_fields most_of now put sub t trim try

-- Removes from a stream of transitions what is too old. last, blank: the ids of its last entry and of the last one without users; read: the last
-- one when this was last done. Returns the former two, before which id entries were removed (nil: none was), and whether there is more.
local function fade(key, last, blank, read, keep)
  local before, last_at = now - keep, tonumber(match(last, '^%d+'))
  local from, cut, more = format('%.0f', before), nil, nil
  if before > last_at then
    from = last
    if last_at > 0 and last ~= blank then
      last = call('XADD', key, '*', 'trimmed', '')
      blank = last
    end
  end
  if before > 0 then
    -- Followers had time to read what was the last entry then, but not what has come since: they still stand before it.
    if read and read ~= '' and read ~= from and tonumber(match(read, '^%d+')) <= tonumber(match(from, '^%d+')) then from = read end
    local removed
    removed, more = trim(key, from)
    if removed > 0 then cut = from end
  end
  return last, blank, cut, more
end

-- Removes what a stream of transitions has beyond `most` entries, whole nodes only: LIMIT is what stops at that number. What is not a minute
-- old stays, since followers may still stand before it. Returns the id of the first entry left if some were removed, and whether there is more.
local function thin(key, most)
  local length = call('XLEN', key)
  local beyond = length - most
  if beyond <= 0 then return nil, false end
  local limit = math.min(beyond, most_of(key, length))
  local removed = call('XTRIM', key, 'MINID', '~', format('%.0f', math.max(0, now - FORGET_MS)), 'LIMIT', limit)
  if removed == 0 then return nil, false end
  return call('XRANGE', key, '-', '+', 'COUNT', 1)[1][1], removed < beyond
end

-- Durable subscribers: name, when last served, until when dead letters are kept, ms, and their stream, if it is one.
local function subscribers()
  local tag, list = sub(RECORDS, 1, -8), {}
  if more_fields[19] ~= '1' or call('TYPE', tag .. 'subscribers').ok ~= 'zset' then return list end
  local names = call('ZRANGE', tag .. 'subscribers', 0, SUBSCRIBERS_MAX - 1, 'WITHSCORES')
  for i = 1, #names, 2 do
    local keep, dead = try('HGET', tag .. 'subscriber:' .. names[i], 'keep'), tag .. 'dead:' .. names[i]
    list[#list + 1] = {
      name = names[i], served = tonumber(names[i + 1]), keep = type(keep) == 'string' and tonumber(keep) or DEAD_LETTERS_KEPT_MS,
      dead = call('TYPE', dead).ok == 'stream' and dead or nil,
    }
  end
  return list
end

-- Removes subscribers that nobody has served for long, and dead letters that are too old. Returns whether there is more.
local function forget_subscribers()
  local tag, list, removed, more = sub(RECORDS, 1, -8), subscribers(), 0, false
  for i = 1, #list do
    local one = list[i]
    if one.served < now - DEAD_LETTERS_KEPT_MS then
      removed = removed + 1
      if removed > UNSERVED_MAX then return true end
      call('UNLINK', tag .. 'subscriber:' .. one.name, tag .. 'known:' .. one.name, tag .. 'inbox:' .. one.name, tag .. 'dead:' .. one.name)
      call('ZREM', tag .. 'subscribers', one.name)
    elseif one.dead and now > one.keep then
      local _, rest = trim(one.dead, format('%.0f', now - one.keep))
      more = more or rest
    end
  end
  if removed == #list then put('subscribed', '0') end
  return more
end

-- Returns whether there is more.
local function forget()
  local tomb = call('ZRANGE', ENDED, 0, 0, 'WITHSCORES')
  if tomb[2] and tonumber(tomb[2]) <= now then return true end
  local keep_changes, keep_rejected, most = match(ARGV[9] or '', '^(%d+) (%d+) ?(%d*)')
  most = tonumber(most or '')
  keep_changes, keep_rejected = tonumber(keep_changes or KEPT_MS), tonumber(keep_rejected or KEPT_MS)
  local at, changes, rejected, read, read_moves = match(more_fields[11] or '', '^(%d+) (%d+) (%d+) ?(%S*) ?(%S*)$')
  local blank, moves, moved, moved_blank = more_fields[12], sub(RECORDS, 1, -8) .. 'moves', t.moved or more_fields[16], more_fields[17]
  -- The strictest of several callers decides: it does not take the trimming of another for its own.
  local is_done = at and tonumber(at) <= now and now - at < FORGET_MS
    and tonumber(changes) <= keep_changes and tonumber(rejected) <= keep_rejected
  if not is_done then
    local function note(name, value, before)
      if value and value ~= before then put(name, value) end
    end
    local known, cut, more = blank, nil, nil
    change, blank, cut, more = fade(CHANGES, change, blank, read, keep_changes)
    note('blank', blank, known)
    note('cut', cut)
    if moved then
      local last, rest
      known = moved_blank
      last, moved_blank, cut, rest = fade(moves, moved, moved_blank, read_moves, keep_changes)
      if last ~= moved then t.moved, moved = last, last end
      note('moved_blank', moved_blank, known)
      note('moved_cut', cut)
      more = more or rest
    end
    if now > keep_rejected then
      local _, rest = trim(REJECTED, format('%.0f', now - keep_rejected))
      more = more or rest
    end
    if more_fields[19] == '1' then
      local rest = forget_subscribers()
      more = more or rest
    end
    if more then return true end
    put('trimmed', format('%.0f %.0f %.0f ', now, keep_changes, keep_rejected) .. change .. (moved and ' ' .. moved or ''))
  end
  if most and most < CHANGES_KEPT then
    local capped, by = match(more_fields[18] or '', '^(%d+) (%d+)$')
    if not (capped and tonumber(capped) <= now and now - capped < FORGET_MS and tonumber(by) <= most) then
      local cut, more = thin(CHANGES, most)
      if cut then put('cut', cut) end
      if moved then
        local rest
        cut, rest = thin(moves, most)
        if cut then put('moved_cut', cut) end
        more = more or rest
      end
      if more then return true end
      put('capped', format('%.0f %.0f', now, most))
    end
  end
  -- While a process is registered, calls come anyway.
  if due then return false end
  -- Nobody is left who could hold the turn, and the name of who held it last begins with its host.
  if (t[13] or '') ~= '' then put('turn', '') end
  local next_at = tomb[2] and tonumber(tomb[2])
  -- last, blank: as of fade. One without users that nothing follows names nobody.
  local function from_oldest(key, keep, last, blank)
    local oldest = call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
    if not oldest or oldest[1] == blank and blank == last then return end
    local ends = match(oldest[1], '^%d+') + keep
    if not next_at or ends < next_at then next_at = ends end
  end
  from_oldest(CHANGES, keep_changes, change, blank)
  from_oldest(REJECTED, keep_rejected)
  if moved then from_oldest(moves, keep_changes, moved, moved_blank) end
  for _, one in ipairs(subscribers()) do
    local ends = one.served + DEAD_LETTERS_KEPT_MS + 1
    if not next_at or ends < next_at then next_at = ends end
    if one.dead then from_oldest(one.dead, one.keep) end
  end
  -- Too many, and some of them not a minute old.
  local function when_thin(key, last)
    local ready = tonumber(match(last, '^%d+')) + FORGET_MS + 1
    if ready <= now or call('XLEN', key) < most + 100 then return end
    if not next_at or ready < next_at then next_at = ready end
  end
  if most and most < CHANGES_KEPT then
    when_thin(CHANGES, change)
    if moved then when_thin(moves, moved) end
  end
  -- Not sooner than the next level check: so the call that comes then is a careful one.
  put('forget', next_at and math.max(next_at, now + CHECK_IDLE_MS) or -1)
  return false
end
