function()
  -- What a call adds to the history (docs/protocol.md, "History"): the changes it counted, the minute it is in, and the minute, hour and
  -- day that have ended since; and who was here today. Returns fields of totals to write, or nil. Nothing here may make a call fail: `try`.
  local tag, said, fields = sub(RECORDS, 1, -8), t.history, {}

  -- The changes of this call, by cause: in the order of CAUSES after `connect`.
  local did = t.did
  if t.last then
    did = {}
    local kinds = { false, 'disconnect', 'leave', 'bye' }
    for i = 1, #(t.gone or {}) do
      local cause = kinds[t.last[t.gone[i]]]
      did[cause] = (did[cause] or 0) + 1
    end
  end
  if t.came and #t.came > 0 or t.gone and #t.gone > 0 then
    local sums, i, causes = {}, 0, CAUSES
    for number in string.gmatch(said[4] or '', '%d+') do
      i = i + 1
      sums[i] = number
    end
    sums[1] = format('%.0f', tonumber(sums[1] or 0) + #(t.came or {}))
    for j = 1, #causes do
      sums[j + 1] = format('%.0f', tonumber(sums[j + 1] or 0) + (did and did[causes[j]] or 0))
    end
    fields[1], fields[2] = 'counted', table.concat(sums, ' ')
  end

  -- The minute so far: its start, when a call last wrote it, then last, least and most of users and of sockets.
  local start, at, u, u_min, u_max, s, s_min, s_max = match(said[1] or '', '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  local minute, m = now - now % MINUTE_MS, tonumber(start or -1)
  -- A clock that goes back a little: the minute goes on until it has caught up. One that was wrong: what it said is dropped.
  if m > minute then
    if m - minute <= HISTORY_BACK_MS then minute = m else m = -1 end
  end
  local day = minute - minute % DAY_MS
  local users_before, sockets_before = tonumber(t[3] or 0), tonumber(t[4] or 0)
  local begins = m < 0 or minute > m

  if m >= 0 then
    u, u_min, u_max, s, s_min, s_max = tonumber(u), tonumber(u_min), tonumber(u_max), tonumber(s), tonumber(s_min), tonumber(s_max)
  end
  if m >= 0 and begins then
    -- Up to which minute nothing changed, for a projector that ran: nothing was due, no record waited, and nobody folded without a history.
    local through = minute - MINUTE_MS
    if tonumber(at) ~= ran then through = m
    else
      local waits = tonumber(t[10] or -1)
      local head = entries and entries[1] and tonumber(match(entries[1][1], '^%d+'))
      if head and (waits < 0 or head < waits) then waits = head end
      if waits >= 0 then
        local late = waits + HISTORY_LATE_MS
        through = math.min(through, late - late % MINUTE_MS - MINUTE_MS)
      end
      if through < m then through = m end
    end

    -- id: the start, so that a period that is there stays as it is.
    local function append(name, period, keep, from, last, u_low, u_high, s_low, s_high)
      local key, oldest = tag .. name, from > keep and from - keep or 0
      local values = { 'users', format('%.0f %.0f %.0f', u, u_low, u_high), 'sockets', format('%.0f %.0f %.0f', s, s_low, s_high) }
      if last > from then values[5], values[6] = 'until', format('%.0f', last) end
      local function add() return try('XADD', key, 'MINID', '~', format('%.0f', oldest), format('%.0f-0', from), unpack(values)) end
      local reply = add()
      if type(reply) ~= 'table' or not reply.err or not find(reply.err, 'equal or smaller', 1, true) then return end
      -- Something of a clock that was ahead would stop all appending: the stream is made anew, with the latest before it.
      local limit = format('%.0f', now + HISTORY_BACK_MS)
      local ahead = try('XRANGE', key, limit, '+', 'COUNT', 1)
      if not ahead[1] then return end
      local kept = try('XRANGE', key, format('%.0f', math.max(0, from - HISTORY_REMADE * period)), '(' .. limit, 'COUNT', 2 * HISTORY_REMADE)
      try('DEL', key)
      for i = 1, #kept do try('XADD', key, kept[i][1], unpack(kept[i][2])) end
      add()
    end

    -- An hour or a day: its start and the bounds of the minutes in it that have ended. Returns what is to be written.
    local function roll_up(name, text, period, keep)
      local own, u_low, u_high, s_low, s_high = match(text or '', '^(%d+) ?(%d*) ?(%d*) ?(%d*) ?(%d*)$')
      local from = m - m % period
      if tonumber(own or -1) ~= from or u_low == '' then u_low, u_high, s_low, s_high = u_min, u_max, s_min, s_max
      else
        u_low, u_high = math.min(u_min, tonumber(u_low)), math.max(u_max, tonumber(u_high))
        s_low, s_high = math.min(s_min, tonumber(s_low)), math.max(s_max, tonumber(s_high))
      end
      local current = minute - minute % period
      if current == from then return format('%.0f %.0f %.0f %.0f %.0f', from, u_low, u_high, s_low, s_high) end
      append(name, period, keep, from, math.min(through - through % period, current - period), u_low, u_high, s_low, s_high)
      if through < current then return format('%.0f', current) end
      return format('%.0f %.0f %.0f %.0f %.0f', current, u, u, s, s)
    end

    append('minutes', MINUTE_MS, MINUTES_KEPT_MS, m, through, u_min, u_max, s_min, s_max)
    local n = #fields
    fields[n + 1], fields[n + 2] = 'hour', roll_up('hours', said[2], HOUR_MS, HOURS_KEPT_MS)
    fields[n + 3], fields[n + 4] = 'day', roll_up('days', said[3], DAY_MS, DAYS_KEPT_MS)
    -- After a gap nobody knows since when the number was wrong.
    if through < minute - MINUTE_MS then m = -1
    else u_min, u_max, s_min, s_max = users_before, users_before, sockets_before, sockets_before end
  elseif m < 0 then
    fields[#fields + 1], fields[#fields + 2] = 'hour', format('%.0f', minute - minute % HOUR_MS)
    fields[#fields + 1], fields[#fields + 2] = 'day', format('%.0f', day)
  end
  if m < 0 then u_min, u_max, s_min, s_max = users, users, sockets, sockets
  else
    u_min, u_max = math.min(u_min, users_before, users), math.max(u_max, users_before, users)
    s_min, s_max = math.min(s_min, sockets_before, sockets), math.max(s_max, sockets_before, sockets)
  end

  -- Who was here today: those who came; and, from the first call of a day on, those who were here already, some a call, and who went meanwhile.
  local carried_day, cursor = match(said[5] or '', '^(%d+) (%d*)$')
  local carries = tonumber(carried_day or -1) ~= day or cursor ~= ''
  if t.came and #t.came > 0 or carries then
    -- The key of a day. The date since 1970 is days from civil, backwards: years begin in March, so that the leap day is the last one.
    local function key_of(at)
      local z = at / DAY_MS + 719468
      local era = floor(z / 146097)
      local doe = z - era * 146097
      local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
      local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
      local mp = floor((5 * doy + 2) / 153)
      local month = mp < 10 and mp + 3 or mp - 9
      local year = yoe + era * 400 + (month <= 2 and 1 or 0)
      return tag .. format('distinct:%04d%02d%02d', year, month, doy - floor((153 * mp + 2) / 5) + 1)
    end
    local key = key_of(day)
    local function add(ids)
      for first = 1, #ids, VALUES_MAX do
        try('PFADD', key, unpack(ids, first, math.min(#ids, first + VALUES_MAX - 1)))
      end
    end
    if t.came then add(t.came) end
    if carries then
      if t.gone then add(t.gone) end
      if tonumber(carried_day or -1) ~= day then
        cursor = '0'
        -- Those that are too old; of as many days, since there may have been days without a call.
        local old = {}
        for i = 1, DISTINCT_DAYS do old[i] = key_of(day - (DISTINCT_DAYS + i) * DAY_MS) end
        try('UNLINK', unpack(old))
      end
      local limit = math.max(SLICE_MAX / 10, math.min(SLICE_MAX, floor((budget - operations - records - given_back) / 2)))
      local page = call('HSCAN', USERS, cursor, 'COUNT', limit)
      local ids = {}
      for i = 1, #page[2], 2 do ids[#ids + 1] = page[2][i] end
      add(ids)
      cursor = page[1]
      if cursor == '0' then cursor = '' else more = 1 end
      fields[#fields + 1], fields[#fields + 2] = 'carried', format('%.0f %s', day, cursor)
    end
  end

  -- Where nothing else is written, nothing has changed.
  if #fields == 0 and records == 0 and not t.careful then return nil end
  fields[#fields + 1], fields[#fields + 2] = 'minute',
    format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f', minute, now, users, u_min, u_max, sockets, s_min, s_max)
  return fields
end
